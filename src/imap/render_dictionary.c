/* Text that looks like usual rows: what stands nearer to the end is cheaper to refer to. */
#include "imap/render_private.h"

#define FIELDS_RARE                                                                                \
    "Newsgroups: \r\nX-Label: \r\nLines: 1\r\nX-Spam-Flag: NO\r\nX-Spam-Flag: YES\r\n"             \
    "Mail-Followup-To: \r\nX-Original-To: \r\nImportance: high\r\nX-Priority: 1 (Highest)\r\n"     \
    "Content-Type: multipart/signed; micalg=pgp-sha256; micalg=pgp-sha512; "                       \
    "protocol=\"application/pgp-signature\"; boundary=\"\r\n"                                      \
    "Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary=\"\r\n"            \
    "Content-Type: text/calendar; charset=\"utf-8\"; method=REQUEST\r\nBcc: \r\n"                  \
    "Disposition-Notification-To: \r\nContent-Disposition: inline\r\nContent-Language: en-US\r\n"

#define STRUCTURES_RARE                                                                            \
    "(\"message\" \"delivery-status\" NIL NIL \"Delivery report\" \"7bit\" 4"                      \
    "(\"text\" \"rfc822-headers\" NIL NIL NIL \"7bit\" \"report\" (\"report-type\" "               \
    "\"delivery-status\" "                                                                         \
    "(\"text\" \"calendar\" (\"charset\" \"utf-8\" \"method\" \"REQUEST\") NIL NIL \"7bit\" 2"     \
    "(\"application\" \"ics\" (\"name\" \"invite.ics\") NIL NIL \"base64\" "                       \
    "(\"attachment\" (\"filename\" \"invite.ics\")) NIL NIL)"                                      \
    "(\"text\" \"x-patch\" (\"charset\" \"UTF-8\" \"name\" \".patch\") (\"text\" \"x-diff\" "      \
    "(\"inline\" (\"filename\" \"signature.asc\")) NIL NIL)"                                       \
    "(\"application\" \"pgp-signature\" (\"name\" \"signature.asc\") NIL "                         \
    "\"OpenPGP digital signature\" \"7bit\" 833 NIL (\"attachment\" (\"filename\" "                \
    "\"signature.asc\")) NIL NIL)"                                                                 \
    " \"signed\" (\"micalg\" \"pgp-sha512\" \"protocol\" \"application/pgp-signature\" "           \
    "\"boundary\" \""                                                                              \
    "(\"application\" \"pkcs7-signature\" (\"name\" \"smime.p7s\") NIL \"S/MIME Cryptographic "    \
    "Signature\""                                                                                  \
    "(\"application\" \"msword\" (\"application\" \"zip\" (\"application\" \"vnd.ms-excel\" "      \
    "(\"application\" \"vnd.openxmlformats-officedocument.wordprocessingml.document\" (\"name\" "  \
    "\".docx\""                                                                                    \
    "(\"application\" \"vnd.openxmlformats-officedocument.spreadsheetml.sheet\" (\"name\" "        \
    "\".xlsx\""                                                                                    \
    "(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" "                                                \
    "(\"application\" \"octet-stream\" (\"name\" \"(\"image\" \"gif\" (\"name\" "                  \
    "\"image001.gif\") "                                                                           \
    "(\"image\" \"png\" (\"name\" \"image001.png\") \"<image001.png@01D\" \"image001.png\" "       \
    "\"base64\" "                                                                                  \
    "NIL (\"inline\" (\"filename\" \"image001.png\" \"size\" \""                                   \
    "\" \"creation-date\" \"\" \"modification-date\" \" GMT\")) NIL NIL)"                          \
    "(\"image\" \"jpeg\" (\"name\" \"IMG_20.jpg\") \"<ii_\" NIL \"base64\" "                       \
    "NIL (\"attachment\" (\"filename\" \"IMG_.jpg\")) NIL NIL)"                                    \
    "(\"application\" \"pdf\" (\"name\" \"invoice.pdf\") NIL NIL \"base64\" "                      \
    "NIL (\"attachment\" (\"filename\" \".pdf\")) NIL NIL) \"mixed\" (\"boundary\" \""             \
    " \"related\" (\"type\" \"text/html\" \"boundary\" \""

#define HOSTS                                                                                      \
    ".de .fr .co.uk .ru .nl .it .info .io .edu .at .ch .eu .us .jp .cn aol.com t-online.de "       \
    "gmx.de gmx.net "                                                                              \
    "web.de yandex.ru mail.ru googlegroups.com lists.debian.org bounces. mailman. "                \
    "facebookmail.com "                                                                            \
    "linkedin.com amazonses.com sendgrid.net mailchimpapp.net amazon.com paypal.com "              \
    "notifications@github.com "                                                                    \
    "icloud.com live.com yahoo.com hotmail.com outlook.com googlemail.com prod.outlook.com "       \
    "mail.gmail.com "

#define DATES                                                                                      \
    "Jan 20Feb 20Mar 20Apr 20May 20Jun 20Jul 20Aug 20Sep 20Oct 20Nov 20Dec 2024 2025 2026 2027 "   \
    "+0800 (CST)-0800 (PST)-0700 (PDT)-0500 (EST)-0400 (EDT)+0300 +0530 +0900 (JST)"               \
    "+0100 (CET)+0200 (CEST)+0000 (GMT)+0000 (UTC)Mon, 1Tue, 2Wed, 1Thu, 1Fri, 2Sat, 0Sun, 22 "

#define STRUCTURES                                                                                 \
    "(\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" 1"                            \
    "(\"text\" \"plain\" (\"charset\" \"iso-8859-1\" \"Windows-1252\" \"us-ascii\" \"format\" "    \
    "\"flowed\" \"delsp\" "                                                                        \
    "\"yes\") NIL NIL \"7bit\" 2(\"text\" \"plain\" (\"charset\" \"UTF-8\" \"format\" "            \
    "\"flowed\") NIL NIL "                                                                         \
    "\"8bit\" 3 NIL NIL NIL NIL)(\"text\" \"html\" (\"charset\" \"us-ascii\") NIL NIL \"base64\" " \
    "((\"text\" \"plain\" (\"charset\" \"utf-8\") NIL NIL \"7bit\" 15 NIL NIL NIL NIL)"            \
    "(((\"text\" \"plain\" (\"charset\" \"UTF-8\") NIL NIL \"base64\" 20 NIL NIL NIL NIL)"         \
    "(\"text\" \"html\" (\"charset\" \"UTF-8\") NIL NIL \"base64\" "                               \
    "((\"text\" \"plain\" (\"charset\" \"UTF-8\") NIL NIL \"quoted-printable\" 12 NIL NIL NIL "    \
    "NIL)"                                                                                         \
    "(\"text\" \"html\" (\"charset\" \"UTF-8\") NIL NIL \"quoted-printable\" 25 NIL NIL NIL NIL)"  \
    " \"alternative\" (\"boundary\" \"=_\") NIL NIL NIL)"                                          \
    "\"----=_Part_\"----=_NextPart_000_\"_000_\"===============\"0000000000000\"--==_mimepart_\"-" \
    "-----------"

#define ENVELOPES                                                                                  \
    "(\"Mon, 23 Nov 2026 09:15:32 +0000\" \"=?UTF-8?B?\" ((\"=?utf-8?Q?\" NIL \"noreply\" "        \
    "\"example.com\"))"                                                                            \
    "(\"Sun, 22 Nov 2026 03:12:16 +0100\" \"=?iso-8859-1?Q?\" ((NIL NIL \"no-reply\" "             \
    "\"example.org\")) "                                                                           \
    "\"support\" \"news\" \"newsletter\" \"info\" \"contact\" \"office\" \"admin\" "               \
    "\"postmaster\" \"root\" \"bounce\" "                                                          \
    "\"Re: \" ((\"Your order confirmation\" \"[\" \"Fwd: \" \"gmail.com\")) ((NIL NIL "            \
    "\"yahoo.com\"))"                                                                              \
    "((\"Mail Delivery System\" NIL \"MAILER-DAEMON\" \""                                          \
    " NIL NIL \"<CA+\" \"<CAF\" \"<20261122.1\" \"@mail.gmail.com>\" \"@example.net>\")"           \
    " NIL NIL NIL \"<"

#define FIELDS                                                                                     \
    "MIME-Version: 1.0\r\nContent-Type: multipart/mixed;\r\n boundary=\"\r\nX-Priority: 3\r\n"     \
    "Content-Type: multipart/related; type=\"text/html\"; boundary=\""                             \
    "Content-Type: multipart/alternative;\r\n\tboundary=\"--_=_NextPart\"\r\n"                     \
    "Content-Transfer-Encoding: base64\r\nContent-Transfer-Encoding: 8bit\r\n"                     \
    "Content-Type: text/html; charset=\"utf-8\"\r\nContent-Type: text/html; charset=UTF-8\r\n"     \
    "Content-Type: text/plain; charset=us-ascii\r\nContent-Type: text/plain; charset=\"UTF-8\"; "  \
    "format=flowed\r\n"                                                                            \
    "List-Id: <.lists.>\r\nList-Id: \"\" <.googlegroups.com>\r\nList-Post: <mailto:@lists.>\r\n"   \
    "List-Subscribe: "                                                                             \
    "<https://lists./mailman/listinfo/>,\r\n\t<mailto:-request@lists.?subject=subscribe>\r\n"      \
    "List-Unsubscribe: "                                                                           \
    "<https://lists./mailman/options/>,\r\n\t<mailto:-request@lists.?subject=unsubscribe>\r\n"     \
    "List-Unsubscribe: <mailto:unsubscribe@>, <https://click.u/?qs=unsubscribe/>\r\n"              \
    "Delivered-To: \r\nSender: \r\nReply-To: \"\" <\r\nReply-To: \r\nCc: \"\" <@>, \r\n <CC: \r\n" \
    "From: =?UTF-8?Q?\r\nSubject: =?UTF-8?B?Subject: =?utf-8?Q?_?=\r\n =?UTF-8?Q?\r\n"             \
    "Subject: Re: \r\nSubject: Fwd: \r\nTO: \r\nFROM: \r\nDATE: \r\n"                              \
    "Message-Id: <\r\nIn-Reply-To: <\r\nReferences: <@>\r\n <@>\r\n\t<"                            \
    "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"                             \
    "Content-Transfer-Encoding: quoted-printable\r\nContent-Transfer-Encoding: 7bit\r\n"           \
    "From: \"\" <@>\r\nTo: \"\" <@>\r\nTo: <Date: Mon, 23 Nov 2026 09:15:32 +0000\r\nMessage-ID: " \
    "<"                                                                                            \
    "@>\r\nSubject: "

#define TEXT FIELDS_RARE STRUCTURES_RARE HOSTS DATES STRUCTURES FIELDS ENVELOPES

/* The two together are a dictionary in zstd's format: with tables of how often usual rows have
 * which bytes, as ZDICT_finalizeDictionary made them, so that none are made and stored for each
 * row. */
/* clang-format off */
static const struct {
    unsigned char tables[153];
    char text[sizeof(TEXT)];
} dictionary = {
    .tables = {
        0x37, 0xa4, 0x30, 0xec, 0x40, 0x9c, 0x00, 0x00, 0x3c, 0x10, 0xb0, 0xda, 0xb6, 0x01,
        0x30, 0x0c, 0xc3, 0x30, 0x0c, 0xc3, 0x30, 0x0c, 0xc3, 0x30, 0x40, 0xa0, 0xe2, 0xf7,
        0xd2, 0xe2, 0xe6, 0xf6, 0xf6, 0x93, 0xf5, 0xe6, 0xd2, 0x74, 0xce, 0x68, 0xa8, 0xea,
        0xff, 0xff, 0xff, 0xbf, 0xea, 0xbf, 0xaa, 0x99, 0x99, 0xd9, 0xbe, 0xb5, 0xdf, 0x94,
        0x94, 0x94, 0x94, 0x94, 0x30, 0xf9, 0x37, 0x82, 0x82, 0x12, 0x02, 0x71, 0x38, 0xc3,
        0x00, 0x00, 0x0c, 0x14, 0x8d, 0x83, 0xc4, 0x55, 0x3a, 0xe5, 0x34, 0x00, 0x04, 0xa0,
        0x85, 0xc6, 0x4c, 0xc8, 0x4b, 0x87, 0x89, 0xc9, 0xa6, 0xc1, 0x68, 0x54, 0x1e, 0x45,
        0x63, 0x39, 0x8e, 0x02, 0x20, 0x00, 0xc0, 0x18, 0x88, 0xc3, 0x14, 0x40, 0x06, 0x19,
        0x85, 0x48, 0xa9, 0x31, 0x00, 0x00, 0x00, 0xb4, 0xb1, 0xa6, 0xa5, 0x50, 0x3c, 0x96,
        0x04, 0x31, 0x10, 0x64, 0x29, 0x65, 0x0c, 0x03, 0x00, 0x01, 0x4a, 0x33, 0x00, 0x00,
        0x00, 0x01, 0x00, 0x00, 0x00, 0x04, 0x00, 0x00, 0x00, 0x08, 0x00, 0x00, 0x00,
    },
    .text = TEXT,
};
/* clang-format on */

const struct slice render_dictionary = {
    (const char *)&dictionary, sizeof dictionary.tables + sizeof dictionary.text - 1};

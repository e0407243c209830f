// imapflow and nodemailer against one account. Arguments: folder with ca.pem and 0.eml to 3.eml, ports of imaps,
// imap and submission, address, password. Throws at the first thing that is not as it should be.
'use strict';
const assert = require('assert');
const fs = require('fs');
const path = require('path');
const { ImapFlow } = require('imapflow');
const nodemailer = require('nodemailer');

const [folder, imaps, imap, submission, address, password] = process.argv.slice(2);
const ca = fs.readFileSync(path.join(folder, 'ca.pem'));
const mails = [0, 1, 2, 3].map(i => fs.readFileSync(path.join(folder, `${i}.eml`)));
const data = Buffer.alloc(200000, Buffer.from([0, 1, 13, 10, 46, 13, 10, 255]));

function make(secure, pass) {
    return new ImapFlow({
        host: 'localhost', port: Number(secure ? imaps : imap), secure, doSTARTTLS: secure ? undefined : true, tls: { ca },
        auth: { user: address, pass }, logger: false, qresync: true,
    });
}

async function login(secure) {
    const client = make(secure, password);
    client.told = [];
    for (const event of ['exists', 'expunge', 'flags']) {
        client.on(event, data => client.told.push({ event, ...data }));
    }
    await client.connect();
    return client;
}

async function until(what, condition) {
    for (const end = Date.now() + 30000; !condition();) {
        assert(Date.now() < end, `waited for ${what}`);
        await new Promise(resolve => setTimeout(resolve, 5));
    }
}

async function whole(client, uid) {
    const { content } = await client.download(uid, undefined, { uid: true });
    const parts = [];
    for await (const part of content) {
        parts.push(part);
    }
    return Buffer.concat(parts);
}

async function mailboxes(client) {
    const list = await client.list({ statusQuery: { messages: true, unseen: true, size: true } });
    const uses = Object.fromEntries(list.map(box => [box.path, box.specialUse]));
    assert.deepStrictEqual(uses, { INBOX: '\\Inbox', Archive: '\\Archive', Drafts: '\\Drafts', Junk: '\\Junk',
        Sent: '\\Sent', Trash: '\\Trash' });
    assert(list.every(box => box.subscribed && box.status.messages === 0), JSON.stringify(list));
    const made = await client.mailboxCreate(['Node', 'Grüße & Co']);
    assert.strictEqual(made.path, 'Node/Grüße & Co');
    assert(made.created);
    const renamed = await client.mailboxRename('Node', 'Renamed');
    assert.strictEqual(renamed.newPath, 'Renamed');
    await client.mailboxUnsubscribe('Renamed/Grüße & Co');
    await client.mailboxDelete('Renamed/Grüße & Co');
    const names = (await client.list()).map(box => box.path).sort();
    assert.deepStrictEqual(names, ['Archive', 'Drafts', 'INBOX', 'Junk', 'Renamed', 'Sent', 'Trash']);
    await assert.rejects(client.mailboxOpen('Nowhere'), e => e.serverResponseCode === 'NONEXISTENT');
}

async function fetch(client) {
    for (const [i, mail] of mails.entries()) {
        const said = await client.append('INBOX', mail, i ? ['\\Seen', '$Node'] : [], new Date(Date.UTC(2020, 1, 29, 12, 0, i)));
        assert.strictEqual(said.uid, i + 1);
    }
    const box = await client.mailboxOpen('INBOX');
    assert.strictEqual(box.exists, 4);
    let count = 0;
    const query = { uid: true, flags: true, envelope: true, bodyStructure: true, internalDate: true, size: true, threadId: true,
        headers: ['subject'], source: true, bodyParts: ['1', 'text'] };
    for await (const m of client.fetch('1:*', query)) {
        const mail = mails[count++];
        assert(m.source.equals(mail), `source of ${m.seq}`);
        assert.strictEqual(m.size, mail.length);
        assert.strictEqual(m.uid, count);
        assert.strictEqual(m.envelope.subject, `node ${count - 1}`);
        assert.strictEqual(m.envelope.from[0].address, 'joe@away.test');
        assert.strictEqual(m.internalDate.getTime(), Date.UTC(2020, 1, 29, 12, 0, count - 1));
        assert.strictEqual(m.bodyStructure.childNodes.length, 2);
        assert.strictEqual(m.headers.toString(), `Subject: node ${count - 1}\r\n\r\n`);
        assert(m.bodyParts.get('text').equals(mail.subarray(mail.indexOf('\r\n\r\n') + 4)));
        assert.strictEqual(m.flags.has('$Node'), count > 1);
    }
    assert.strictEqual(count, 4);
    assert((await whole(client, 4)).equals(mails[3]));
    assert(await client.messageFlagsAdd('2', ['\\Flagged'], { uid: true }));
    assert(await client.messageFlagsRemove('2:3', ['$Node'], { uid: true }));
    assert(await client.messageFlagsSet('4', ['\\Answered'], { uid: true }));
    assert.deepStrictEqual(await client.search({ flagged: true, subject: 'node' }, { uid: true }), [2]);
    assert.deepStrictEqual(await client.search({ or: [{ seen: false }, { larger: 150000 }] }, { uid: true }), [1, 3, 4]);
    assert.deepStrictEqual(await client.search({ keyword: '$Node' }, { uid: true }), []);
}

async function organise(client) {
    const copied = await client.messageCopy('1:2', 'Archive', { uid: true });
    assert.deepStrictEqual([...copied.uidMap], [[1, 1], [2, 2]]);
    const moved = await client.messageMove('3', 'Renamed', { uid: true });
    assert.deepStrictEqual([...moved.uidMap], [[3, 1]]);
    assert(await client.messageDelete('4', { uid: true }));
    assert.deepStrictEqual(await client.search({ all: true }, { uid: true }), [1, 2]);
    const status = await client.status('INBOX', { messages: true, unseen: true, uidNext: true, highestModseq: true });
    assert.strictEqual(status.messages, 2);
    assert.strictEqual(status.uidNext, 5);
}

// What one does, the other hears in IDLE; QRESYNC brings it to one who was away.
async function two(client) {
    const other = await login(false);
    await other.mailboxOpen('INBOX');
    const { uidValidity, highestModseq } = client.mailbox;
    await client.noop();
    client.told.length = 0;
    client.idle();
    await other.append('INBOX', mails[0], ['\\Seen']);
    await until('EXISTS', () => client.told.some(t => t.event === 'exists' && t.count === 3));
    await other.messageFlagsAdd('2', ['\\Draft'], { uid: true });
    await until('FETCH', () => client.told.some(t => t.event === 'flags' && t.uid === 2 && t.flags.has('\\Draft')));
    await other.messageDelete('1', { uid: true });
    await until('VANISHED', () => client.told.some(t => t.event === 'expunge' && t.uid === 1));
    await client.mailboxClose();
    const changed = [];
    const lock = await client.getMailboxLock('INBOX');
    assert.strictEqual(client.mailbox.uidValidity, uidValidity);
    for await (const m of client.fetch('1:*', { uid: true, flags: true }, { changedSince: highestModseq })) {
        changed.push(m.uid);
    }
    lock.release();
    assert.deepStrictEqual(changed.sort(), [2, 5]);
    await other.logout();
}

async function send() {
    const transport = nodemailer.createTransport({
        host: 'localhost', port: Number(submission), requireTLS: true, tls: { ca }, auth: { user: address, pass: password },
    });
    assert(await transport.verify());
    const text = '.\r\n..\r\nFrom here ä€📮\r\n'.repeat(500);
    const said = await transport.sendMail({ from: `Node <${address}>`, to: address, bcc: address, subject: 'Grüße from node',
        text, attachments: [{ filename: 'data.bin', content: data }], headers: { 'X-Long': 'x '.repeat(600) } });
    assert.deepStrictEqual(said.accepted, [address]);
    const raw = await transport.sendMail({ envelope: { from: address, to: [address] },
        raw: Buffer.concat([Buffer.from(`From: ${address}\r\n`), mails[3].subarray(mails[3].indexOf('To: '))]) });
    assert(/^250 2\.0\.0 /.test(raw.response), raw.response);
    await assert.rejects(transport.sendMail({ from: 'other@example.test', to: address, text }), e => e.responseCode === 553);
    const queued = await transport.sendMail({ from: address, to: 'a@elsewhere.test', text });
    assert.deepStrictEqual(queued.accepted, ['a@elsewhere.test']);
    transport.close();
}

async function sent(client) {
    await client.mailboxOpen('INBOX');
    const uids = await client.search({ since: new Date(Date.now() - 86400000) }, { uid: true });
    const wanted = mails[3].subarray(mails[3].indexOf('To: '));
    let raw = 0;
    let composed;
    for await (const m of client.fetch(uids, { source: true, envelope: true }, { uid: true })) {
        raw += m.source.subarray(-wanted.length).equals(wanted) ? 1 : 0;
        composed = m.envelope.subject === 'Grüße from node' ? m : composed;
    }
    assert.strictEqual(raw, 1);
    assert(!/^bcc:/im.test(composed.source.toString('latin1').split('\r\n\r\n')[0]));
    const { content, meta } = await client.download(composed.uid, '2', { uid: true });
    const parts = [];
    for await (const part of content) {
        parts.push(part);
    }
    assert.strictEqual(meta.filename, 'data.bin');
    assert(Buffer.concat(parts).equals(data));
}

async function main() {
    const wrong = make(true, 'wrong');
    await assert.rejects(wrong.connect(), e => e.authenticationFailed === true);
    wrong.close();
    const client = await login(true);
    for (const step of [mailboxes, fetch, organise, two, send, sent]) {
        await step(client).catch(e => {
            e.message = `${step.name}: ${e.message}: ${e.responseText || ''}`;
            throw e;
        });
    }
    await client.logout();
    console.log('as it should be');
}

main().catch(e => {
    console.log(e.stack);
    process.exit(1);
});

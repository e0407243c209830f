#!/usr/bin/perl
# Mail::IMAPClient against one account: arguments are port, CA file, user, password, and a folder
# with the messages 0.eml to 3.eml. Dies at the first thing that is not as it should be.
use strict;
use warnings;
use Mail::IMAPClient;

my ($port, $ca, $user, $password, $folder) = @ARGV;

sub slurp {
    open my $f, '<:raw', $_[0] or die "$_[0]: $!";
    local $/;
    return <$f>;
}

sub same {
    my ($what, $got, $wanted) = @_;
    die "$what: got '" . ($got // 'undef') . "', expected '$wanted'\n" unless defined $got && $got eq $wanted;
}

my @mails = map { slurp("$folder/$_.eml") } 0 .. 3;
my $c = Mail::IMAPClient->new(
    Server => '127.0.0.1', Port => $port, User => $user, Password => $password, Uid => 1, Timeout => 30,
    Starttls => [SSL_ca_file => $ca, SSL_verifycn_name => 'localhost'], Maxcommandlength => 1000, Ignoresizeerrors => 0,
) or die "login: $@";
sub must { my ($what, $value) = @_; defined $value or die "$what: " . $c->LastError . "\n"; return $value }

die "no UIDPLUS\n" unless $c->has_capability('UIDPLUS');
same 'folders', join(' ', sort $c->folders), 'Archive Drafts INBOX Junk Sent Trash';
same 'separator', $c->separator, '/';
must 'create', $c->create('Perl/deep');
must 'subscribe', $c->subscribe('Perl/deep');
same 'exists', $c->exists('Perl/deep') ? 1 : 0, 1;
must 'select', $c->select('Perl/deep');

# append: a string, with a date and flags, and a file
same 'append', must('append', $c->append_string('Perl/deep', $mails[0], '\Seen', '01-Mar-2020 10:00:00 +0100')), 1;
same 'append', must('append', $c->append_file('Perl/deep', "$folder/1.eml")), 2;
same 'append', must('append', $c->append('Perl/deep', $mails[2])), 3;
same 'append', must('append', $c->append('Perl/deep', $mails[3])), 4;
must 'noop', $c->noop;
same 'messages', join(',', $c->messages), '1,2,3,4';
for my $i (0 .. 3) {
    my $uid = $i + 1;
    my $got = must('message', $c->message_string($uid));
    die "message $uid differs\n" unless $got eq $mails[$i];
    same 'size', $c->size($uid), length $mails[$i];
    same 'subject', $c->subject($uid), "perl $i";
    my $h = must('headers', $c->parse_headers($uid, 'From', 'Subject'));
    same 'From', $h->{From}[0], 'Joe <joe@away.test>';
    my ($head, $body) = split /\r\n\r\n/, $mails[$i], 2;
    same 'body', $c->body_string($uid), $body;
}
same 'date', $c->internaldate(1), ' 1-Mar-2020 10:00:00 +0100';
my $structure = must('structure', $c->get_bodystructure(4));
same 'parts', join(' ', $structure->parts), '1 2';
same 'type', $structure->bodytype, 'MULTIPART';
my $envelope = must('envelope', $c->get_envelope(2));
same 'envelope', $envelope->from_addresses, 'Joe <joe@away.test>';

# flags
must 'mark', $c->mark(2, 3);
must 'set', $c->set_flag('\Answered', 2);
must 'unset', $c->unset_flag('\Flagged', 3);
same 'flagged', join(',', $c->search('FLAGGED')), '2';
same 'answered', join(',', $c->search('ANSWERED')), '2';
same 'flags', join(' ', sort grep { $_ ne '\Recent' } $c->flags(2)), '\Answered \Flagged \Seen';
same 'unseen', $c->unseen_count, 0;
must 'deny', $c->deny_seeing(1);
same 'unseen', $c->unseen_count('Perl/deep'), 1;
same 'search', join(',', $c->search('NOT', 'DELETED', 'SUBJECT', 'perl 2')), '3';
same 'since', join(',', $c->before('01-Jan-2021')), '1';

# copy, move, delete, expunge
must 'copy', $c->copy('Archive', 1, 2);
must 'move', $c->move('Trash', 3);
must 'expunge', $c->expunge;
same 'left', join(',', $c->messages), '1,2,4';
must 'delete', $c->delete_message(1);
must 'uidexpunge', $c->uidexpunge(1);
same 'left', join(',', $c->messages), '2,4';
must 'migrated', $c->message_count('Archive') == 2 ? 1 : undef;
same 'status', $c->status('Trash', 'MESSAGES') ? $c->message_count('Trash') : undef, 1;

# another connection's mail is told in IDLE
my $other = Mail::IMAPClient->new(
    Server => '127.0.0.1', Port => $port, User => $user, Password => $password, Starttls => [SSL_ca_file => $ca],
) or die "second login: $@";
my $tag = must('idle', $c->idle);
$other->append_string('Perl/deep', $mails[0]) or die "append by the other: " . $other->LastError;
my @lines = $c->idle_data(30);
die "IDLE said: @lines\n" unless grep { /^\* 3 EXISTS/ } @lines;
must 'done', $c->done($tag);
same 'messages', join(',', $c->messages), '2,4,5';

must 'close', $c->close;
must 'rename', $c->rename('Perl/deep', 'Perl/deeper');
must 'unsubscribe', $c->unsubscribe('Perl/deep');
same 'select a name that is gone', $c->select('Perl/deep') ? 'yes' : 'no', 'no';
same 'still usable', $c->examine('Perl/deeper') ? 'yes' : 'no', 'yes';
$c->logout or die 'logout: ' . $c->LastError;
$other->logout;
print "as it should be\n";

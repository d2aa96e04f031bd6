# Perl's Mail::IMAPClient: messages of many kinds go in and come out, are searched, taken apart, marked, copied, moved and removed; IDLE tells what another
# connection does. Its arguments: the port, the certificate, a Maildir.
use strict;
use warnings;
use IO::Socket::SSL;
use Mail::IMAPClient;

my ( $port, $certificate, $maildir ) = @ARGV;

sub connected {
    return Mail::IMAPClient->new(
        Server => 'localhost', Port => $port, User => 'user', Password => 'pass', Uid => 1, Peek => 1, Maxcommandlength => 1000,
        Ssl => [ SSL_ca_file => $certificate, SSL_verifycn_name => 'localhost' ], @_
    ) // die "no connection: $@";
}

sub is {
    my ( $what, $is, $expected ) = @_;
    $is = join ' ', @$is if ref $is eq 'ARRAY';
    die "$what: " . ( $is // 'nothing' ) . ", not $expected\n" unless defined $is && $is eq $expected;
}

my $c  = connected();
my $ok = sub { my ( $what, $done ) = @_; $done or die "$what: " . ( $c->LastError // 'no reason' ) . "\n"; $done };

# Names that need a literal, quotes, or modified UTF-7.
my $root = 'Post &- <Papier>';
my $odd  = "$root/a \"q\" \\b";
my $next = "$root/Gr&APwA3w-e";
$ok->( create => $c->create($_) ) for $root, $odd, $next;
$ok->( subscribe => $c->subscribe($next) );
is( folders    => [ sort $c->folders ], join ' ', sort 'INBOX', $root, $odd, $next );
is( subscribed => [ $c->subscribed ], $next );
is( exists     => $c->exists($odd) ? 'yes' : 'no', 'yes' );
is( separator  => $c->separator, '/' );

my ( @sent, @uids );
my @files = map { glob "$maildir/INBOX/cur/$_.host*" } 1 .. 60;
for my $name (@files) {
    open my $file, '<:raw', $name or die;
    local $/;
    my $message = <$file> =~ s/\n/\r\n/gr;
    my ( $flags, $date ) = ( @sent % 2 ? '\Seen $Kept' : undef, @sent % 3 ? '"01-Jan-2020 10:00:00 +0100"' : undef );
    push @uids, $ok->( append => $c->append_string( $root, $message, $flags, $date ) );
    push @sent, $message;
}
is( uids => \@uids, join ' ', 1 .. 60 );
push @uids, $ok->( append_file => $c->append_file( $root, $files[1], undef, q(\Flagged), 1 ) );
push @sent, $sent[1];

$ok->( select => $c->select($root) );
is( count => $c->message_count, 61 );
for my $i ( 0 .. $#uids ) {
    is( "message $uids[$i]", $c->message_string( $uids[$i] ), $sent[$i] );
    is( "its size",          $c->size( $uids[$i] ),           length $sent[$i] );
    my $structure = $ok->( bodystructure => $c->get_bodystructure( $uids[$i] ) );
    my $is_multipart = ( split /\r\n\r\n/, $sent[$i] )[0] =~ m{^Content-Type: multipart/}m;
    is( "its structure", $structure->bodytype eq 'MULTIPART', $is_multipart );
    my $envelope = $ok->( envelope => $c->get_envelope( $uids[$i] ) );
    is( "its id", $envelope->messageid, ( $sent[$i] =~ /^Message-ID: (\S+)/m )[0] );
}
is( partial => $c->bodypart_string( $uids[0], 1, 10, 5 ), substr $c->bodypart_string( $uids[0], 1 ), 5, 10 );
is( date => $c->internaldate( $uids[1] ), '01-Jan-2020 10:00:00 +0100' );
is( flags => [ sort grep { $_ ne '\Recent' } $c->flags( $uids[1] ) ], '$Kept \Seen' );
my $headers = $c->parse_headers( [ @uids[ 0 .. 9 ] ], 'Subject', 'To' );
is( headers => scalar( grep { $_->{Subject} && $_->{To} } values %$headers ), 10 );
my $fetched = $c->fetch_hash( \@uids, 'RFC822.SIZE', 'FLAGS', 'INTERNALDATE', 'EMAILID', 'MODSEQ', 'BODY[HEADER.FIELDS (Subject)]' );
is( fetched => scalar( grep { $fetched->{$_}{EMAILID} && $fetched->{$_}{'RFC822.SIZE'} == length $sent[ $_ - 1 ] } @uids ), 61 );

is( all      => scalar $c->search('ALL'), "@uids" );
is( keyword  => scalar $c->search( 'KEYWORD', '$Kept' ), join ' ', map { 2 * $_ } 1 .. 30 );
is( id       => scalar $c->search( 'HEADER', 'Message-ID', \'<3@example.org>' ), '3' );
is( 'or'     => scalar $c->search( 'OR', 'FLAGGED', 'UID', '4:5' ), '4 5 61' );
is( before   => scalar @{ $c->before('02-Jan-2020') }, 40 );
# Two literals, of octets above 127 and of a quote.
is( charset => scalar $c->search( 'CHARSET', 'UTF-8', 'FROM', \$c->Quote("J\xc3\xbcrgen M\xc3\xbcller 7"), 'NOT', 'SUBJECT', \$c->Quote('"x"') ), '7' );
is( text => scalar @{ $c->search( 'CHARSET', 'UTF-8', 'BODY', \$c->Quote("\xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82") ) // [] } > 0 ? 1 : 0, 1 );

$ok->( keyword => $c->set_flag( 'Custom', @uids ) );
is( custom => scalar @{ $c->search( 'KEYWORD', 'Custom' ) }, 61 );
$ok->( keyword => $c->unset_flag( 'Custom', @uids[ 0 .. 9 ] ) );
is( custom => scalar @{ $c->search( 'UNKEYWORD', 'Custom' ) }, 10 );
$ok->( see   => $c->see(@uids) );
$ok->( deny  => $c->deny_seeing( @uids[ 0 .. 4 ] ) );
is( unseen => scalar $c->unseen_count, 5 );
$ok->( copy => $c->copy( $next, @uids[ 20 .. 29 ] ) );
$ok->( move => $c->move( $odd, @uids[ 30 .. 32 ] ) );
is( status => $c->message_count($next) . ' ' . $c->message_count($odd), '10 3' );
$ok->( delete => $c->delete_message( @uids[ 50 .. 59 ] ) );
$ok->( restore => $c->restore_message( @uids[ 50 .. 54 ] ) );
$ok->( uidexpunge => $c->uidexpunge( [ @uids[ 55 .. 57 ] ] ) );
is( 'after UID EXPUNGE' => $c->message_count, 58 );
$ok->( expunge => $c->expunge );
is( 'after EXPUNGE' => $c->message_count, 53 );

# What another connection does is told while IDLE waits.
my $tag = $ok->( idle => $c->idle );
my $d   = connected();
$d->append_string( $root, "Subject: news\r\n\r\nx\r\n" ) or die $d->LastError;
$d->select($root) or die $d->LastError;
$d->delete_message( $uids[0] ) or die $d->LastError;
$d->expunge or die $d->LastError;
is( 'copied' => $d->select($next) && $d->message_string(1), $sent[20] );
is( 'moved'  => $d->select($odd)  && $d->message_string(3), $sent[32] );
$d->logout;
my $told = '';
until ( $told =~ /\* 1 EXPUNGE/ ) { my $data = $c->idle_data(30); die "IDLE tells nothing: $told\n" unless $data && @$data; $told .= join '', @$data }
$ok->( done => $c->done($tag) );
is( told => $told =~ /\* 54 EXISTS.*\* 1 EXPUNGE/s ? 1 : $told, 1 );

$ok->( reconnect => $c->reconnect );
is( 'after the reconnect' => $c->message_count, 53 );
is( 'all the others are there' => scalar( grep { $c->message_string($_) eq ( $sent[ $_ - 1 ] // '' ) } @{ $c->search( 'NOT', 'SUBJECT', 'news' ) } ), 52 );
$ok->( rename => $c->rename( $next, "$root/Archive" ) );
$ok->( examine => $c->examine("$root/Archive") );
is( 'cannot store' => $c->see(1) ? 'OK' : 'NO', 'NO' );
$ok->( close => $c->close );
$ok->( delete => $c->delete($_) ) for "$root/Archive", $odd, $root;
is( folders => [ $c->folders ], 'INBOX' );
$ok->( logout => $c->logout );
print "done\n";

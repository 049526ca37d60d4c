# As a Perl script does it: net_smtp.pl PORT LOGIN PASSWORD CA FROM TO starttls|implicit
use strict;
use warnings;
use Net::SMTP;

my ($port, $login, $password, $ca, $from, $to, $tls) = @ARGV;
my @verify = (SSL_ca_file => $ca, SSL_verifycn_name => 'localhost', SSL_verifycn_scheme => 'smtp');
my $smtp = Net::SMTP->new('localhost', Port => $port, Timeout => 20, SSL => $tls eq 'implicit', @verify)
	or die "connect: $@\n";
if ($tls eq 'starttls') {
	$smtp->starttls(@verify) or die 'starttls: ' . $smtp->message;
}
$smtp->auth($login, $password) or die 'auth: ' . $smtp->message;
$smtp->mail($from) && $smtp->to($to) or die $smtp->message;
$smtp->data("From: Shop <$from>\nTo: $to\nSubject: order 42\n\nfirst line\n.\n..two dots\nlast line\n")
	or die $smtp->message;
$smtp->quit;

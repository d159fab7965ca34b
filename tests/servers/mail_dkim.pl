# Perl's Mail::DKIM: prints algorithm, domain and result of each signature of the mail on
# standard input, and the result of its ARC; the keys come from the DNS server on this port of
# 127.0.0.1.
use strict;
use warnings;
use Mail::DKIM::ARC::Verifier;
use Mail::DKIM::DNS;
use Mail::DKIM::Verifier;
use Net::DNS::Resolver;

my ($port) = @ARGV;
my $resolver = Net::DNS::Resolver->new(nameservers => ['127.0.0.1'], port => $port);
Mail::DKIM::DNS::resolver($resolver);
my $verifier = Mail::DKIM::Verifier->new;
my $chain = Mail::DKIM::ARC::Verifier->new;
binmode STDIN;
while (my $line = <STDIN>) {
    $_->PRINT($line) for $verifier, $chain;
}
$_->CLOSE for $verifier, $chain;
printf "%s %s %s\n", $_->algorithm, $_->domain, $_->result_detail for $verifier->signatures;
printf "arc chain %s\n", $chain->result;

# Perl's Mail::DKIM: prints algorithm, domain and result of each signature of the mail on
# standard input; the keys come from the DNS server on this port of 127.0.0.1.
use strict;
use warnings;
use Mail::DKIM::DNS;
use Mail::DKIM::Verifier;
use Net::DNS::Resolver;

my ($port) = @ARGV;
my $resolver = Net::DNS::Resolver->new(nameservers => ['127.0.0.1'], port => $port);
Mail::DKIM::DNS::resolver($resolver);
my $verifier = Mail::DKIM::Verifier->new;
binmode STDIN;
$verifier->PRINT($_) while <STDIN>;
$verifier->CLOSE;
printf "%s %s %s\n", $_->algorithm, $_->domain, $_->result_detail for $verifier->signatures;

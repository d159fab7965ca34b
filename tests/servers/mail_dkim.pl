# Perl's Mail::DKIM: prints algorithm, domain and result of each signature of the mails on
# standard input, the result of their ARC, and an empty line after each. A NUL ends a mail; the
# keys come from the DNS server on this port of 127.0.0.1.
use strict;
use warnings;
use Mail::DKIM::ARC::Verifier;
use Mail::DKIM::DNS;
use Mail::DKIM::Verifier;
use Net::DNS::Resolver;

my ($port) = @ARGV;
my $resolver = Net::DNS::Resolver->new(nameservers => ['127.0.0.1'], port => $port);
Mail::DKIM::DNS::resolver($resolver);
binmode STDIN;
my @mails = do { local $/ = "\0"; map { chomp; $_ } <STDIN> };
for my $mail (@mails) {
    my $verifier = Mail::DKIM::Verifier->new;
    my $chain = Mail::DKIM::ARC::Verifier->new;
    for ($verifier, $chain) {
        $_->PRINT($mail);
        $_->CLOSE;
    }
    printf "%s %s %s\n", $_->algorithm, $_->domain, $_->result_detail for $verifier->signatures;
    printf "arc chain %s\n\n", $chain->result;
}

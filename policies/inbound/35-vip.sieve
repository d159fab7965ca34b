# 35-vip.sieve: mail of your most important customers gets the tag "vip".
# Put their addresses into lists/vip.txt; "@example.com" there is everybody of that domain.
# Only an address that was proven counts: anybody can write a name into From.
require ["extlists", "imap4flags", "vnd.gateway.auth"];
if allof (address :list "From" "vip", auth "dmarc" "pass") {
  addflag "vip";
}

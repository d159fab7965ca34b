# 20-spam.sieve: what a filter before us called spam gets a tag; no policy here answers it.
# To let it wait for a person instead, take the "#" away before "hold".
require ["imap4flags", "relational", "comparator-i;ascii-numeric", "spamtest", "vnd.gateway.hold"];
if anyof (
  header :is "X-Spam-Flag" "YES",
  header :matches "X-Spam-Status" "Yes,*",
  spamtest :value "ge" :comparator "i;ascii-numeric" "8"
) {
  addflag "spam";
  # hold "spam";
}

# 10-loops.sieve: mail that goes round in circles waits for a person.
# Nothing to edit here: a message that passed more than 50 servers is on a loop.
if header :count "gt" :comparator "i;ascii-numeric" "Received" "50" {
  hold "loop: more than 50 servers passed this message on";
}

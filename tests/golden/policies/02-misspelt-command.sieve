if header :is "X-Spam-Flag" "YES" {
  filinto "billing";
}

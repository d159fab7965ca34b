require "fileinto";
if envelope :domain "from" "partner.example" {
  fileinto "billing";
}

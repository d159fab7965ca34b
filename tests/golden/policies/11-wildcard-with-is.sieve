if address :is "From" "*@partner.example" {
  fileinto "billing";
}

require ["fileinto", "vaction"];
keep;

# What is written like this elsewhere.
if header "Subject" "a" { stop; } else if header "Subject" "b" { stop; }
if header "Subject" "a" and header "X-B" "c" { stop; }
if (header "Subject" "a") { stop; }
if size :over 10MB { stop; }
if header "Subject" == "a" { stop; }
fileinto billing;
fileinto 'billing';
fileinto “billing”;
hold :for 1h "wait";

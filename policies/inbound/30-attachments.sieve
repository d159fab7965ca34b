# 30-attachments.sieve: programs wait for a person.
# Edit the endings; a message with such a file is held and can be released.
foreverypart {
  if header :mime :param ["filename", "name"] :matches ["Content-Disposition", "Content-Type"]
     ["*.exe", "*.scr", "*.js", "*.vbs", "*.bat", "*.cmd", "*.com", "*.pif", "*.jar", "*.lnk"] {
    hold "a program is attached";
  }
}

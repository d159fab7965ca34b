"""Python's smtplib: hands in the letter as it is."""

from __future__ import annotations

import os
import smtplib
import ssl
from pathlib import Path

host, port = os.environ["HOST"], int(os.environ["PORT"])
context = ssl.create_default_context(cafile=os.environ["CA_FILE"])
if os.environ["SECURITY"] == "tls":
    client: smtplib.SMTP = smtplib.SMTP_SSL(host, port, context=context)
else:
    client = smtplib.SMTP(host, port)
    client.starttls(context=context)
with client:
    client.login(os.environ["USERNAME"], os.environ["PASSWORD"])
    letter = Path(os.environ["LETTER"]).read_bytes()
    client.sendmail(os.environ["FROM"], os.environ["TO"], letter, ["BODY=8BITMIME"])

redirect "boss at acme.example";

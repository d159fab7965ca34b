# msmtp: hands in the letter as it is.
set -eu
case $SECURITY in
    starttls) starttls=on ;;
    tls) starttls=off ;;
esac
exec msmtp --file=/dev/null --host="$HOST" --port="$PORT" --tls=on --tls-starttls="$starttls" \
    --tls-trust-file="$CA_FILE" --auth=on --user="$USERNAME" --passwordeval='printf %s "$PASSWORD"' \
    --from="$FROM" -- "$TO" <"$LETTER"

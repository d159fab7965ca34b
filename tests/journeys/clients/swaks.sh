# swaks: hands in the letter as it is.
set -eu
case $SECURITY in
    starttls) tls=--tls ;;
    tls) tls=--tls-on-connect ;;
esac
exec swaks --silent 2 --server "$HOST:$PORT" "$tls" --tls-verify --tls-ca-path "$CA_FILE" --auth PLAIN \
    --auth-user "$USERNAME" --auth-password "$PASSWORD" --from "$FROM" --to "$TO" --data "@$LETTER"

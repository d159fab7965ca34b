# curl: hands in the letter as it is.
set -eu
case $SECURITY in
    starttls) url="smtp://$HOST:$PORT" ;;
    tls) url="smtps://$HOST:$PORT" ;;
esac
exec curl --silent --show-error --url "$url" --ssl-reqd --cacert "$CA_FILE" --user "$USERNAME:$PASSWORD" \
    --mail-from "$FROM" --mail-rcpt "$TO" --upload-file "$LETTER"

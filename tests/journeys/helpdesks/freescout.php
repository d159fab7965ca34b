<?php
// Sends as FreeScout does: Laravel's mailer of version 5, which is Swift Mailer, without a look
// at the certificate; its parameters are made from the fields of "Sending Emails".
require '/usr/share/php/Swift/autoload.php';

$fields = json_decode(getenv('SETTINGS'), true);
if ($fields['Method'] !== 'SMTP') {
    throw new Exception('not SMTP');
}
$encryptions = ['None' => null, 'SSL' => 'ssl', 'TLS (+StartTLS)' => 'tls'];
$unchecked = ['verify_peer' => false, 'verify_peer_name' => false, 'allow_self_signed' => true];

$transport = new Swift_SmtpTransport($fields['SMTP Server'], (int) $fields['Port']);
if ($encryptions[$fields['Encryption']] !== null) {
    $transport->setEncryption($encryptions[$fields['Encryption']]);
}
$transport
    ->setUsername($fields['Username'])
    ->setPassword($fields['Password'])
    ->setStreamOptions(['ssl' => $unchecked]);

$message = (new Swift_Message(getenv('SUBJECT')))
    ->setFrom('support@acme.example', 'Acme Support')
    ->setTo(getenv('TO'))
    ->setBody('<p>' . getenv('TEXT') . '</p>', 'text/html', 'utf-8')
    ->addPart(getenv('TEXT'), 'text/plain', 'utf-8');
(new Swift_Mailer($transport))->send($message);

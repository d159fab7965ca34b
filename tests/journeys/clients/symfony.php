<?php
// Symfony's mailer: composes the mail.
require '/usr/share/php/Symfony/Component/Mailer/autoload.php';

use Symfony\Component\Mailer\Transport\Smtp\EsmtpTransport;
use Symfony\Component\Mime\Header\Headers;
use Symfony\Component\Mime\Message;
use Symfony\Component\Mime\Part\DataPart;
use Symfony\Component\Mime\Part\Multipart\MixedPart;
use Symfony\Component\Mime\Part\TextPart;

$transport = new EsmtpTransport(getenv('HOST'), (int) getenv('PORT'), getenv('SECURITY') === 'tls');
$transport->getStream()->setStreamOptions(['ssl' => ['cafile' => getenv('CA_FILE')]]);
$transport->setUsername(getenv('USERNAME'));
$transport->setPassword(getenv('PASSWORD'));

$headers = (new Headers())
    ->addMailboxListHeader('From', [getenv('FROM')])
    ->addMailboxListHeader('To', [getenv('TO')])
    ->addTextHeader('Subject', getenv('SUBJECT'));
$text = new TextPart(file_get_contents(getenv('TEXT')), 'utf-8', 'plain', '8bit');
$invoice = DataPart::fromPath(getenv('ATTACHMENT'), 'invoice.pdf');
$sent = $transport->send(new Message($headers, new MixedPart($text, $invoice)));
file_put_contents(getenv('SENT'), $sent->toString());

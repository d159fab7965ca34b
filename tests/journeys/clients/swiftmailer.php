<?php
// Swift Mailer, which Laravel had until version 8: composes the mail.
require '/usr/share/php/Swift/autoload.php';

$security = getenv('SECURITY') === 'tls' ? 'ssl' : 'tls';
$transport = (new Swift_SmtpTransport(getenv('HOST'), (int) getenv('PORT'), $security))
    ->setExtensionHandlers([
        Swift_DependencyContainer::getInstance()->lookup('transport.authhandler'),
        new Swift_Transport_Esmtp_EightBitMimeHandler(),
    ])
    ->setStreamOptions(['ssl' => ['cafile' => getenv('CA_FILE')]])
    ->setUsername(getenv('USERNAME'))
    ->setPassword(getenv('PASSWORD'));

$message = (new Swift_Message(getenv('SUBJECT')))
    ->setFrom(getenv('FROM'))
    ->setTo(getenv('TO'))
    ->setEncoder(new Swift_Mime_ContentEncoder_PlainContentEncoder('8bit'))
    ->setBody(file_get_contents(getenv('TEXT')), 'text/plain', 'utf-8')
    ->attach(Swift_Attachment::fromPath(getenv('ATTACHMENT'))->setFilename('invoice.pdf'));
(new Swift_Mailer($transport))->send($message);
file_put_contents(getenv('SENT'), $message->toString());

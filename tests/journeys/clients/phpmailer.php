<?php
// PHPMailer: composes the mail.
require '/usr/share/php/libphp-phpmailer/autoload.php';

$mail = new PHPMailer\PHPMailer\PHPMailer(true);
$mail->isSMTP();
$mail->SMTPDebug = PHPMailer\PHPMailer\SMTP::DEBUG_CONNECTION;
$mail->Host = getenv('HOST');
$mail->Port = (int) getenv('PORT');
$mail->SMTPSecure = getenv('SECURITY') === 'tls' ? 'ssl' : 'tls';
$mail->SMTPOptions = ['ssl' => ['cafile' => getenv('CA_FILE')]];
$mail->SMTPAuth = true;
$mail->Username = getenv('USERNAME');
$mail->Password = getenv('PASSWORD');
$mail->CharSet = 'utf-8';
$mail->Encoding = '8bit';
$mail->setFrom(getenv('FROM'));
$mail->addAddress(getenv('TO'));
$mail->Subject = getenv('SUBJECT');
$mail->Body = file_get_contents(getenv('TEXT'));
$mail->addAttachment(getenv('ATTACHMENT'), 'invoice.pdf');
$mail->send();
file_put_contents(getenv('SENT'), $mail->getSentMIMEMessage());

<?php
// As a web shop does it: phpmailer.php PORT LOGIN PASSWORD CA FROM TO tls|ssl [MECHANISM]
require 'libphp-phpmailer/autoload.php';

[, $port, $login, $password, $ca, $from, $to, $tls, $mechanism] = $argv;
$mail = new PHPMailer\PHPMailer\PHPMailer(true);
$mail->isSMTP();
$mail->Host = 'localhost';
$mail->Port = (int) $port;
$mail->SMTPAuth = true;
$mail->AuthType = $mechanism;
$mail->Username = $login;
$mail->Password = $password;
$mail->SMTPSecure = $tls;
$mail->SMTPOptions = ['ssl' => ['cafile' => $ca]];
$mail->CharSet = 'utf-8';
$mail->setFrom($from, 'Müllers Shop');
$mail->addAddress($to);
$mail->Subject = 'order 42';
$mail->Body = "Grüße\n.\n..\n";
$mail->addStringAttachment(str_repeat(implode('', array_map('chr', range(0, 255))), 40), 'a.bin');
try {
	$mail->send();
} catch (PHPMailer\PHPMailer\Exception $problem) {
	fwrite(STDERR, $problem->getMessage() . "\n");
	exit(1);
}

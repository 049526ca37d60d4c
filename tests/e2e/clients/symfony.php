<?php
// As Magento and Symfony do it: symfony.php PORT LOGIN PASSWORD CA FROM TO starttls|implicit
require 'Symfony/Component/Mailer/autoload.php';

use Symfony\Component\Mailer\Mailer;
use Symfony\Component\Mailer\Transport\Smtp\EsmtpTransport;
use Symfony\Component\Mime\Address;
use Symfony\Component\Mime\Email;

[, $port, $login, $password, $ca, $from, $to, $tls] = $argv;
$transport = new EsmtpTransport('localhost', (int) $port, $tls === 'implicit');
$transport->setUsername($login);
$transport->setPassword($password);
$transport->getStream()->setStreamOptions(['ssl' => ['cafile' => $ca]]);
$email = (new Email())->from(new Address($from, 'Müllers Shop'))->to($to)->subject('order 42')
	->priority(Email::PRIORITY_HIGHEST)->text("Grüße\r\n.\r\n..\r\n")
	->attach(str_repeat(implode('', array_map('chr', range(0, 255))), 40), 'a.bin');
try {
	(new Mailer($transport))->send($email);
} catch (Symfony\Component\Mailer\Exception\TransportExceptionInterface $problem) {
	fwrite(STDERR, $problem->getMessage() . "\n");
	exit(1);
}

<?php
// WordPress's own wp_mail(), with the few lines that people put into functions.php to send through
// an SMTP server: wordpress.php DIRECTORY NAME PORT LOGIN PASSWORD CA FROM TO
//
// All of WordPress is loaded; in place of its database stands one in which there is nothing.
[, $directory, $name, $port, $login, $password, $ca, $from, $to] = $argv;
define('ABSPATH', '/usr/share/wordpress/');
define('WP_CONTENT_DIR', $directory);
define('WP_INSTALLING', true);
define('DB_NAME', '');
define('DB_USER', '');
define('DB_PASSWORD', '');
define('DB_HOST', '');
define('DB_CHARSET', 'utf8mb4');
$table_prefix = 'wp_';
$_SERVER['HTTP_HOST'] = $_SERVER['SERVER_NAME'] = 'shop.example.com';
$_SERVER['SERVER_PROTOCOL'] = 'HTTP/1.1';
file_put_contents("$directory/db.php", <<<'END'
<?php
class NoDatabase extends wpdb {
	public function db_connect($allow_bail = true) { $this->ready = true; $this->has_connected = true; return true; }
	public function query($query) { $this->last_result = []; $this->num_rows = 0; return 0; }
	public function db_version() { return '8.0'; }
	public function _real_escape($text) { return addslashes((string) $text); }
	public function get_col_charset($table, $column) { return 'utf8mb4'; }
}
$wpdb = new NoDatabase('', '', '', '');
END);
require ABSPATH . 'wp-settings.php';

add_filter('pre_option_home', fn () => 'http://shop.example.com');
add_action('phpmailer_init', function ($mailer) use ($name, $port, $login, $password, $ca, $from) {
	$mailer->isSMTP();
	$mailer->Host = '127.0.0.1';
	$mailer->Port = (int) $port;
	$mailer->SMTPAuth = true;
	$mailer->SMTPSecure = 'tls';
	$mailer->Username = $login;
	$mailer->Password = $password;
	// the name is not in the DNS of a test
	$mailer->SMTPOptions = ['ssl' => ['cafile' => $ca, 'peer_name' => $name]];
	if ($from !== '')
		$mailer->setFrom($from, 'Shop', false);
});
add_action('wp_mail_failed', function ($error) {
	fwrite(STDERR, $error->get_error_message() . "\n");
});
exit(wp_mail($to, 'order 42', "first line\n.\n..two dots\n") ? 0 : 1);

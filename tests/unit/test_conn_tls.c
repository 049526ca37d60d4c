/* TLS connections: upgrades, versions, certificates that one side does not like, and the end. */
#include "tests/unit/certs.h"
#include "tests/unit/peers.h"

#include "daemon/core/tls_private.h"

#include <openssl/pem.h>

#include <event2/buffer.h>
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

static struct certs ca, other_ca, old_ca, good, expired, future, self_signed, by_address, nameless,
    weak, below_old;
static struct buf trusted; /* CAs */
static const char server_name[] = "relay.example.com";

static int
make_certificates(void **state)
{
	struct certs_request of_ca = {.name = "our CA", .ends_in_days = 10, .is_ca = true};
	struct certs_request of_server = {.name = server_name, .ends_in_days = 10};

	ca = certs_make(&of_ca, NULL);
	of_ca.name = "other CA";
	other_ca = certs_make(&of_ca, NULL);
	of_ca.name = "old CA";
	of_ca.starts_in_days = -20;
	of_ca.ends_in_days = -10;
	old_ca = certs_make(&of_ca, NULL);
	buf_append(&trusted, ca.certificate.at, ca.certificate.size);
	buf_append(&trusted, old_ca.certificate.at, old_ca.certificate.size);
	good = certs_make(&of_server, &ca);
	self_signed = certs_make(&of_server, NULL);
	below_old = certs_make(&of_server, &old_ca);
	of_server.rsa_bits = 1024;
	weak = certs_make(&of_server, &ca);
	of_server.rsa_bits = 0;
	of_server.name = NULL;
	of_server.address = "127.0.0.1";
	by_address = certs_make(&of_server, &ca);
	of_server.address = NULL;
	nameless = certs_make(&of_server, &ca);
	of_server.name = server_name;
	of_server.starts_in_days = -20;
	of_server.ends_in_days = -10;
	expired = certs_make(&of_server, &ca);
	of_server.starts_in_days = 5;
	of_server.ends_in_days = 10;
	future = certs_make(&of_server, &ca);
	return 0;
}

static int
free_certificates(void **state)
{
	certs_free(&ca);
	certs_free(&other_ca);
	certs_free(&good);
	certs_free(&expired);
	certs_free(&future);
	certs_free(&self_signed);
	certs_free(&by_address);
	certs_free(&nameless);
	certs_free(&weak);
	certs_free(&old_ca);
	certs_free(&below_old);
	buf_fini(&trusted);
	return 0;
}

static struct tls_context *
server_context(const struct certs *certs, enum tls_version min_version)
{
	const struct tls_pair pair = {certs->certificate, certs->key};
	const struct tls_server_settings settings = {
	    .pairs = &pair, .pair_count = 1, .min_version = min_version};
	struct err err;
	struct tls_context *context = tls_server_new(&settings, &err);

	assert_non_null(context);
	return context;
}

static struct tls_context *
client_context(enum tls_verify verify, const char *fingerprint)
{
	struct err err;
	struct tls_store *store = tls_store_new(
	    (struct msg_bytes){(const uint8_t *)trusted.bytes, (uint32_t)trusted.size}, &err);
	const struct tls_client_settings settings = {.min_version = TLS_VERSION_1_2,
	    .max_version = TLS_VERSION_1_3,
	    .verify = verify,
	    .fingerprint = fingerprint,
	    .store = store};
	struct tls_context *context = tls_client_new(&settings, &err);

	assert_non_null(context);
	tls_store_release(store);
	return context;
}

static void
start_server(struct peers *peers, const struct certs *certs)
{
	/* What is weak is only for who asks for old versions. */
	struct tls_context *context =
	    server_context(certs, certs == &weak ? TLS_VERSION_1_0 : TLS_VERSION_1_2);

	conn_start_tls_server(peers->server.conn, context);
	tls_release(context);
}

static void
start_client(struct peers *peers, enum tls_verify verify, const char *fingerprint, const char *name)
{
	struct tls_context *context = client_context(verify, fingerprint);

	peers->client.is_in_call = true;
	conn_start_tls_client(peers->client.conn, context, name);
	peers->client.is_in_call = false;
	tls_release(context);
}

static void
open_secure(struct peers *peers)
{
	peers_open(peers);
	start_server(peers, &good);
	start_client(peers, VERIFY_NAME, NULL, server_name);
	peers_wait_true(peers, &peers->client.is_secured);
	peers_wait_true(peers, &peers->server.is_secured);
}

/* Both ends see the same, and no other connection does. */
static void
check_bindings(struct peers *peers, bool is_old)
{
	static struct tls_binding last;
	struct tls_binding server, client;

	assert_true(conn_tls_binding(peers->server.conn, &server));
	assert_true(conn_tls_binding(peers->client.conn, &client));
	assert_memory_equal(&server, &client, sizeof(server));
	assert_int_equal(server.unique_size, is_old ? 12 : 0);
	assert_memory_not_equal(server.exporter, last.exporter, sizeof(last.exporter));
	last = server;
}

/* Without the extended master secret two connections may have the same keys (RFC 7627). */
static void
test_no_binding_without_extended_master_secret(void **state)
{
	struct tls_context *context = client_context(VERIFY_NAME, NULL);
	struct tls_binding binding;
	struct peers peers;

	(void)SSL_CTX_set_max_proto_version(context->ssl, TLS1_2_VERSION);
	(void)SSL_CTX_set_options(context->ssl, SSL_OP_NO_EXTENDED_MASTER_SECRET);
	peers_open(&peers);
	assert_false(conn_tls_binding(peers.server.conn, &binding));
	start_server(&peers, &good);
	conn_start_tls_client(peers.client.conn, context, server_name);
	tls_release(context);
	peers_wait_true(&peers, &peers.server.is_secured);
	assert_false(conn_tls_binding(peers.server.conn, &binding));
	peers_close(&peers);
}

static void
test_versions(void **state)
{
	static const struct {
		int version;
		const char *text;
	} rows[] = {{TLS1_2_VERSION, "TLSv1.2"}, {TLS1_3_VERSION, "TLSv1.3"}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct tls_context *context = client_context(VERIFY_NAME, NULL);
		struct peers peers;

		(void)SSL_CTX_set_max_proto_version(context->ssl, rows[i].version);
		peers_open(&peers);
		start_server(&peers, &good);
		conn_start_tls_client(peers.client.conn, context, server_name);
		tls_release(context);
		conn_write(peers.client.conn, "EHLO x\r\n", 8);
		peers_wait_text(&peers, &peers.server, "EHLO x\r\n");
		assert_true(conn_has_tls(peers.server.conn));
		assert_string_equal(conn_tls_version(peers.server.conn), rows[i].text);
		assert_string_equal(conn_tls_version(peers.client.conn), rows[i].text);
		assert_true(strlen(conn_tls_cipher(peers.client.conn)) > 5);
		check_bindings(&peers, i == 0);
		peers_close(&peers);
	}
}

static void
test_version_too_old(void **state)
{
	struct tls_context *context = client_context(VERIFY_OFF, NULL);
	struct tls_context *server = server_context(&good, TLS_VERSION_1_3);
	struct peers peers;

	(void)SSL_CTX_set_max_proto_version(context->ssl, TLS1_2_VERSION);
	peers_open(&peers);
	conn_start_tls_server(peers.server.conn, server);
	conn_start_tls_client(peers.client.conn, context, server_name);
	tls_release(context);
	tls_release(server);
	peers_wait_true(&peers, &peers.server.is_closed);
	peers_wait_true(&peers, &peers.client.is_closed);
	assert_int_equal(peers.server.end, CONN_TLS_FAILED);
	assert_string_equal(peers.server.detail, "TLS failed: unsupported protocol");
	assert_int_equal(peers.client.end, CONN_TLS_FAILED);
	peers_close(&peers);
}

/* As after STARTTLS: the reply in clear and the handshake keep their order. */
static void
upgrade_server(struct peer *server)
{
	struct tls_context *context = server_context(&good, TLS_VERSION_1_2);

	server->on_input = NULL;
	conn_write(server->conn, "220 go\r\n", 8);
	conn_start_tls_server(server->conn, context);
	tls_release(context);
	conn_write(server->conn, "secret", 6);
}

static void
upgrade_client(struct peer *client)
{
	struct tls_context *context = client_context(VERIFY_NAME, NULL);

	client->on_input = NULL;
	assert_string_equal(client->got.bytes, "220 go\r\n");
	buf_clear(&client->got);
	conn_start_tls_client(client->conn, context, server_name);
	tls_release(context);
}

static void
test_upgrade_in_mid_stream(void **state)
{
	struct peers peers;

	peers_open(&peers);
	peers.server.on_input = upgrade_server;
	peers.client.on_input = upgrade_client;
	conn_write(peers.client.conn, "STARTTLS\r\n", 10);
	peers_wait_text(&peers, &peers.client, "secret");
	assert_string_equal(peers.server.got.bytes, "STARTTLS\r\n");
	assert_true(peers.server.is_secured);
	peers_close(&peers);
}

/* A listener that reads the first byte before it knows what the client speaks. */
static void
keep_then_secure(struct peer *server)
{
	struct tls_context *context = server_context(&good, TLS_VERSION_1_2);

	server->on_input = NULL;
	server->keeps_input = false;
	assert_int_equal(evbuffer_pullup(conn_input(server->conn), 1)[0], 0x16);
	conn_start_tls_server(server->conn, context);
	tls_release(context);
}

static void
test_handshake_that_was_read_already(void **state)
{
	struct peers peers;

	peers_open(&peers);
	peers.server.keeps_input = true;
	peers.server.on_input = keep_then_secure;
	start_client(&peers, VERIFY_NAME, NULL, server_name);
	conn_write(peers.client.conn, "hello", 5);
	peers_wait_text(&peers, &peers.server, "hello");
	peers_close(&peers);
}

static const char wrong_fingerprint[] =
    "00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff:00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:"
    "ff";

static void
fingerprint_of(const struct certs *certs, char *text, size_t size)
{
	BIO *bio = BIO_new_mem_buf(certs->certificate.at, (int)certs->certificate.size);
	X509 *certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	uint8_t digest[32];

	assert_int_equal(X509_digest(certificate, EVP_sha256(), digest, NULL), 1);
	assert_true(size > 64);
	for (size_t i = 0; i < sizeof(digest); i++)
		(void)snprintf(text + 2 * i, 3, "%02x", digest[i]);
	X509_free(certificate);
	BIO_free(bio);
}

static void
test_certificates_that_are_not_accepted(void **state)
{
	const struct {
		const char *label;
		const struct certs *certs;
		enum tls_verify verify;
		const char *fingerprint, *name, *words, *alert;
	} rows[] = {
	    {"wrong name", &good, VERIFY_NAME, NULL, "mail.example.net",
		"the certificate is for relay.example.com, not for mail.example.net",
		"alert bad certificate"},
	    {"address without one", &good, VERIFY_NAME, NULL, "127.0.0.1",
		"the certificate is for relay.example.com, not for 127.0.0.1",
		"alert bad certificate"},
	    {"another kind of name", &by_address, VERIFY_NAME, NULL, server_name,
		"the certificate is for 127.0.0.1, not for relay.example.com",
		"alert bad certificate"},
	    {"no name at all", &nameless, VERIFY_NAME, NULL, server_name,
		"the certificate is for no host name, not for relay.example.com",
		"alert bad certificate"},
	    {"expired", &expired, VERIFY_NAME, NULL, server_name, "the certificate expired on 20",
		"alert certificate expired"},
	    {"future", &future, VERIFY_NAME, NULL, server_name,
		"the certificate is not valid before 20", "alert bad certificate"},
	    {"self-signed", &self_signed, VERIFY_NAME, NULL, server_name,
		"the certificate is self-signed", "alert unknown ca"},
	    {"unknown CA", NULL, VERIFY_NAME, NULL, server_name,
		"the certificate comes from an unknown CA, other CA", "alert unknown ca"},
	    {"CA that expired", &below_old, VERIFY_NAME, NULL, server_name,
		"the certificate of the CA old CA expired on 20", "alert certificate expired"},
	    {"weak key", &weak, VERIFY_NAME, NULL, server_name,
		"the certificate has a key that is too weak (RSA, 1024 bits)", "alert"},
	    {"fingerprint", &good, VERIFY_FINGERPRINT, wrong_fingerprint, server_name,
		"the certificate has another fingerprint: ", "alert"},
	};
	const struct certs_request of_server = {.name = server_name, .ends_in_days = 10};
	struct certs foreign = certs_make(&of_server, &other_ca);
	char seen[65];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct peers peers;

		print_message("%s\n", rows[i].label);
		peers_open(&peers);
		start_server(&peers, rows[i].certs != NULL ? rows[i].certs : &foreign);
		start_client(&peers, rows[i].verify, rows[i].fingerprint, rows[i].name);
		peers_wait_true(&peers, &peers.client.is_closed);
		peers_wait_true(&peers, &peers.server.is_closed);
		assert_int_equal(peers.client.end, CONN_CERTIFICATE_BAD);
		assert_memory_equal(peers.client.detail, rows[i].words, strlen(rows[i].words));
		fingerprint_of(
		    rows[i].certs != NULL ? rows[i].certs : &foreign, seen, sizeof(seen));
		assert_string_equal(peers.client.refused_fingerprint, seen);
		assert_int_equal(peers.server.end, CONN_CERTIFICATE_REJECTED);
		assert_non_null(strstr(peers.server.detail, rows[i].alert));
		assert_false(peers.client.is_secured || peers.server.is_secured);
		peers_close(&peers);
	}
	certs_free(&foreign);
}

static void
test_certificates_that_are_accepted(void **state)
{
	char fingerprint[100];
	const struct {
		const struct certs *certs;
		enum tls_verify verify;
		const char *name;
	} rows[] = {
	    {&good, VERIFY_NAME, "relay.example.com."},
	    {&good, VERIFY_NAME, "RELAY.example.com"},
	    {&by_address, VERIFY_NAME, "127.0.0.1"},
	    {&expired, VERIFY_FINGERPRINT, "other.example.net"},
	    {&weak, VERIFY_FINGERPRINT, "other.example.net"},
	    {&self_signed, VERIFY_OFF, "other.example.net"},
	    {&expired, VERIFY_OFF, "127.0.0.1"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct peers peers;

		fingerprint_of(rows[i].certs, fingerprint, sizeof(fingerprint));
		peers_open(&peers);
		start_server(&peers, rows[i].certs);
		start_client(&peers, rows[i].verify, fingerprint, rows[i].name);
		conn_write(peers.client.conn, "x", 1);
		peers_wait_text(&peers, &peers.server, "x");
		peers_close(&peers);
	}
}

static void
test_peer_without_tls(void **state)
{
	struct peers peers;

	peers_open(&peers);
	start_client(&peers, VERIFY_NAME, NULL, server_name);
	conn_write(peers.server.conn, "220 mail.example.com ESMTP\r\n", 28);
	peers_wait_true(&peers, &peers.client.is_closed);
	assert_int_equal(peers.client.end, CONN_TLS_FAILED);
	assert_non_null(strstr(peers.client.detail, "the peer speaks no TLS here"));
	peers_close(&peers);
}

static void
test_peer_closes_in_the_handshake(void **state)
{
	struct peers peers;

	peers_open(&peers);
	start_server(&peers, &good);
	conn_close(peers.client.conn);
	peers.client.conn = NULL;
	peers_wait_true(&peers, &peers.server.is_closed);
	assert_int_equal(peers.server.end, CONN_TLS_LEFT);
	assert_non_null(strstr(peers.server.detail, "during the TLS handshake"));
	peers_close(&peers);
}

static void
test_large_both_ways(void **state)
{
	struct peers peers;
	const size_t size = 8 * 1024 * 1024;

	open_secure(&peers);
	conn_set_marks(peers.client.conn, 16 * 1024, 64 * 1024);
	peers.client.counts_only = peers.server.counts_only = true;
	conn_pause(peers.server.conn);
	peer_stream(&peers.client, size);
	peer_stream(&peers.server, size);
	peers_idle(&peers);
	assert_true(peers.client.to_send > 0);
	conn_resume(peers.server.conn);
	peers_wait_bytes(&peers, &peers.server, size);
	peers_wait_bytes(&peers, &peers.client, size);
	assert_true(peers.client.most_waiting <= 80 * 1024);
	peers_close(&peers);
}

static void
finish_it(struct peer *peer)
{
	conn_write(peer->conn, "221 bye\r\n", 9);
	conn_finish(peer->conn, 1000);
	peer->conn = NULL;
}

static void
test_finish(void **state)
{
	struct peers peers;

	open_secure(&peers);
	peers.server.on_input = finish_it;
	conn_write(peers.client.conn, "QUIT\r\n", 6);
	peers_wait_true(&peers, &peers.client.is_closed);
	assert_string_equal(peers.client.got.bytes, "221 bye\r\n");
	assert_int_equal(peers.client.end, CONN_PEER_CLOSED);
	peers_close(&peers);
}

static void
close_it(struct peer *peer)
{
	conn_close(peer->conn);
	peer->conn = NULL;
}

static void
test_closing_when_secured(void **state)
{
	struct peers peers;

	peers_open(&peers);
	peers.client.on_secured = close_it;
	start_server(&peers, &good);
	start_client(&peers, VERIFY_NAME, NULL, server_name);
	peers_wait_true(&peers, &peers.server.is_closed);
	assert_null(peers.client.conn);
	peers_close(&peers);
}

static void
test_bad_settings(void **state)
{
	const struct tls_client_settings rows[] = {
	    {.verify = VERIFY_FINGERPRINT, .fingerprint = "00:11"},
	    {.verify = VERIFY_FINGERPRINT, .fingerprint = "not hex"},
	    {.verify = VERIFY_FINGERPRINT},
	    {.verify = VERIFY_NAME},
	};
	const struct msg_bytes text = {.at = (const uint8_t *)"text", .size = 4};
	const struct msg_bytes nothing = {0};
	const struct {
		struct tls_pair pair;
		const char *words;
	} pairs[] = {
	    {{text, good.key}, "TLS certificate: no PEM"},
	    {{good.certificate, text}, "TLS key: no PEM"},
	    {{good.certificate, ca.key}, "does not belong"},
	};
	struct err err;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_null(tls_client_new(&rows[i], &err));
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		const struct tls_pair two[] = {{good.certificate, good.key}, pairs[i].pair};
		const struct tls_server_settings settings = {
		    .pairs = two, .pair_count = 2, .min_version = TLS_VERSION_1_2};

		assert_null(tls_server_new(&settings, &err));
		assert_non_null(strstr(err.text, pairs[i].words));
	}
	assert_null(tls_store_new(nothing, &err));
	assert_null(tls_store_new(text, &err));
}

#define IDLE_COUNT 50

/* Both ends of each are ours. */
static void
test_idle_is_small(void **state)
{
	struct tls_context *server = server_context(&good, TLS_VERSION_1_2);
	struct tls_context *client = client_context(VERIFY_OFF, NULL);
	struct conn *conns[IDLE_COUNT][2];
	struct peers peers;
	size_t before, each;

	open_secure(&peers);
	peers.server.counts_only = true;
	before = mallinfo2().uordblks;
	for (int i = 0; i < IDLE_COUNT; i++) {
		int fds[2];

		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
		for (int j = 0; j < 2; j++)
			conns[i][j] = conn_open(peers.loop, fds[j], &peer_callbacks, &peers.server);
		conn_start_tls_server(conns[i][0], server);
		conn_start_tls_client(conns[i][1], client, server_name);
		conn_write(conns[i][1], "EHLO there\r\n", 12);
	}
	peers_wait_bytes(&peers, &peers.server, IDLE_COUNT * 12);
	peers_idle(&peers);
	/* A client that took a session ticket frees its write buffer with the next write. */
	for (int i = 0; i < IDLE_COUNT; i++)
		conn_write(conns[i][1], "NOOP\r\n", 6);
	peers_wait_bytes(&peers, &peers.server, IDLE_COUNT * 18);
	peers_idle(&peers);
	each = (mallinfo2().uordblks - before) / IDLE_COUNT / 2;
	print_message("an idle connection with TLS: %zu bytes\n", each);
	assert_true(each < 20 * 1024);
	for (int i = 0; i < IDLE_COUNT; i++)
		for (int j = 0; j < 2; j++)
			conn_close(conns[i][j]);
	tls_release(server);
	tls_release(client);
	peers_close(&peers);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_versions),
	    cmocka_unit_test(test_no_binding_without_extended_master_secret),
	    cmocka_unit_test(test_version_too_old),
	    cmocka_unit_test(test_upgrade_in_mid_stream),
	    cmocka_unit_test(test_handshake_that_was_read_already),
	    cmocka_unit_test(test_certificates_that_are_not_accepted),
	    cmocka_unit_test(test_certificates_that_are_accepted),
	    cmocka_unit_test(test_peer_without_tls),
	    cmocka_unit_test(test_peer_closes_in_the_handshake),
	    cmocka_unit_test(test_large_both_ways),
	    cmocka_unit_test(test_finish),
	    cmocka_unit_test(test_closing_when_secured),
	    cmocka_unit_test(test_bad_settings),
	    cmocka_unit_test(test_idle_is_small),
	};

	return cmocka_run_group_tests(tests, make_certificates, free_certificates);
}

/* What a server shows to whom: certificates by name and kind of key, versions, ciphers, tickets. */
#include "tests/unit/certs.h"

#include "daemon/core/tls_private.h"

#include <openssl/err.h>
#include <openssl/x509.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* ---- a handshake without sockets ---- */

struct outcome {
	bool is_done, is_resumed;
	int version;
	char name[64]; /* the common name of the certificate that was shown */
	int key_type;
	char cipher[64];
	SSL_SESSION *session;
};

struct wish {
	struct tls_context *server;
	const char *name, *ciphers, *signatures;
	int version; /* 0: any */
	SSL_SESSION *session;
};

static SSL *
client_of(const struct wish *wish, SSL_CTX *ctx)
{
	SSL *ssl;

	SSL_CTX_set_security_level(ctx, 0);
	(void)SSL_CTX_set_min_proto_version(ctx, wish->version != 0 ? wish->version : TLS1_VERSION);
	(void)SSL_CTX_set_max_proto_version(ctx, wish->version);
	if (wish->ciphers != NULL)
		assert_int_equal(SSL_CTX_set_cipher_list(ctx, wish->ciphers), 1);
	if (wish->signatures != NULL)
		assert_int_equal(SSL_CTX_set1_sigalgs_list(ctx, wish->signatures), 1);
	ssl = SSL_new(ctx);
	if (wish->name != NULL)
		(void)SSL_set_tlsext_host_name(ssl, wish->name);
	if (wish->session != NULL)
		assert_int_equal(SSL_set_session(ssl, wish->session), 1);
	SSL_set_connect_state(ssl);
	return ssl;
}

static void
note(struct outcome *outcome, SSL *client)
{
	X509 *certificate = SSL_get0_peer_certificate(client);

	outcome->is_done = true;
	outcome->is_resumed = SSL_session_reused(client) == 1;
	outcome->version = SSL_version(client);
	strcpy(outcome->cipher, SSL_get_cipher_name(client));
	outcome->session = SSL_get1_session(client);
	if (certificate == NULL)
		return;
	(void)X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName,
	    outcome->name, sizeof(outcome->name));
	outcome->key_type = EVP_PKEY_get_base_id(X509_get0_pubkey(certificate));
}

static struct outcome
shake_hands(const struct wish *wish)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *client = client_of(wish, ctx), *server = SSL_new(wish->server->ssl);
	BIO *ours, *theirs;
	struct outcome outcome = {0};
	char bytes[16];

	assert_int_equal(BIO_new_bio_pair(&ours, 65536, &theirs, 65536), 1);
	SSL_set_bio(server, ours, ours);
	SSL_set_bio(client, theirs, theirs);
	SSL_set_accept_state(server);
	for (int i = 0; i < 10; i++) {
		(void)SSL_do_handshake(client);
		(void)SSL_do_handshake(server);
	}
	if (SSL_is_init_finished(client) && SSL_is_init_finished(server)) {
		assert_int_equal(SSL_write(server, "220 \r\n", 6), 6);
		assert_int_equal(SSL_read(client, bytes, sizeof(bytes)), 6);
		note(&outcome, client);
	}
	ERR_clear_error();
	SSL_set_shutdown(client, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_free(client);
	SSL_free(server);
	SSL_CTX_free(ctx);
	return outcome;
}

static void
drop(struct outcome *outcome)
{
	SSL_SESSION_free(outcome->session);
	outcome->session = NULL;
}

/* ---- certificates ---- */

static struct tls_pair
pair_for(const char *name, int rsa_bits, struct certs *certs)
{
	const struct certs_request request = {
	    .name = name, .ends_in_days = 10, .rsa_bits = rsa_bits};

	*certs = certs_make(&request, NULL);
	return (struct tls_pair){certs->certificate, certs->key};
}

static struct tls_context *
context_of(const struct tls_pair *pairs, unsigned count, enum tls_version min_version,
    struct tls_tickets *tickets)
{
	const struct tls_server_settings settings = {.pairs = pairs,
	    .pair_count = count,
	    .min_version = min_version,
	    .tickets = tickets,
	    .ticket_lifetime_s = 60};
	struct err err = {""};
	struct tls_context *context = tls_server_new(&settings, &err);

	assert_string_equal(err.text, "");
	assert_non_null(context);
	return context;
}

static void
test_certificate_by_name(void **state)
{
	static const struct {
		const char *asked, *shown;
	} rows[] = {
	    {NULL, "first.example"},
	    {"first.example", "first.example"},
	    {"nowhere.example", "first.example"},
	    {"second.example", "second.example"},
	    {"SECOND.example", "second.example"},
	    {"a.wild.example", "*.wild.example"},
	    {"a.b.wild.example", "first.example"},
	    {"wild.example", "first.example"},
	    {".wild.example", "first.example"},
	    {"exact.wild.example", "exact.wild.example"},
	};
	struct certs certs[4];
	const struct tls_pair pairs[] = {
	    pair_for("first.example", 0, &certs[0]),
	    pair_for("*.wild.example", 0, &certs[1]),
	    pair_for("second.example", 0, &certs[2]),
	    pair_for("exact.wild.example", 0, &certs[3]),
	};
	struct tls_context *context = context_of(pairs, 4, TLS_VERSION_1_2, NULL);

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
			struct outcome outcome = shake_hands(&(struct wish){
			    .server = context, .name = rows[i].asked, .version = version});

			assert_true(outcome.is_done);
			assert_int_equal(outcome.version, version);
			assert_string_equal(outcome.name, rows[i].shown);
			drop(&outcome);
		}
	tls_release(context);
	for (size_t i = 0; i < 4; i++)
		certs_free(&certs[i]);
}

/* Both kinds for one name, at the default and at another name; and one name with one kind, where
 * the other kind of another name must not step in. */
static void
test_kind_of_key(void **state)
{
	static const struct {
		const char *name, *signatures;
		const char *shown; /* NULL: there is no certificate that both can use */
		int key_type;
	} rows[] = {
	    {"first.example", "RSA-PSS+SHA256:RSA+SHA256", "first.example", EVP_PKEY_RSA},
	    {"first.example", "ECDSA+SHA256", "first.example", EVP_PKEY_EC},
	    {NULL, "RSA-PSS+SHA256:RSA+SHA256", "first.example", EVP_PKEY_RSA},
	    {NULL, "ECDSA+SHA256", "first.example", EVP_PKEY_EC},
	    {"second.example", "RSA-PSS+SHA256:RSA+SHA256", "second.example", EVP_PKEY_RSA},
	    {"second.example", "ECDSA+SHA256", "second.example", EVP_PKEY_EC},
	    {"third.example", "ECDSA+SHA256", "third.example", EVP_PKEY_EC},
	    {"third.example", "RSA-PSS+SHA256:RSA+SHA256", NULL, 0},
	};
	struct certs certs[5];
	const struct tls_pair pairs[] = {
	    pair_for("first.example", 2048, &certs[0]),
	    pair_for("second.example", 2048, &certs[1]),
	    pair_for("second.example", 0, &certs[2]),
	    pair_for("first.example", 0, &certs[3]),
	    pair_for("third.example", 0, &certs[4]),
	};
	struct tls_context *context = context_of(pairs, 5, TLS_VERSION_1_2, NULL);

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct outcome outcome = shake_hands(&(struct wish){
		    .server = context, .name = rows[i].name, .signatures = rows[i].signatures});

		assert_int_equal(outcome.is_done, rows[i].shown != NULL);
		if (rows[i].shown != NULL) {
			assert_string_equal(outcome.name, rows[i].shown);
			assert_int_equal(outcome.key_type, rows[i].key_type);
		}
		drop(&outcome);
	}
	tls_release(context);
	for (size_t i = 0; i < 5; i++)
		certs_free(&certs[i]);
}

/* ---- versions and ciphers ---- */

static void
test_versions_and_ciphers(void **state)
{
	static const struct {
		enum tls_version min_version;
		int version;
		const char *ciphers, *taken; /* NULL: refused */
	} rows[] = {
	    {TLS_VERSION_1_2, TLS1_VERSION, NULL, NULL},
	    {TLS_VERSION_1_2, TLS1_1_VERSION, NULL, NULL},
	    {TLS_VERSION_1_2, TLS1_2_VERSION, "AES128-SHA:AES256-GCM-SHA384", NULL},
	    {TLS_VERSION_1_2, TLS1_2_VERSION, "aNULL:eNULL:@SECLEVEL=0", NULL},
	    {TLS_VERSION_1_2, TLS1_2_VERSION, "PSK:SRP:CAMELLIA:ARIA:AESCCM@SECLEVEL=0", NULL},
	    {TLS_VERSION_1_2, TLS1_2_VERSION, "ECDHE-RSA-AES256-SHA:ECDHE-RSA-AES128-GCM-SHA256",
		"ECDHE-RSA-AES128-GCM-SHA256"},
	    {TLS_VERSION_1_2, TLS1_2_VERSION, "ECDHE-RSA-AES128-SHA", "ECDHE-RSA-AES128-SHA"},
	    {TLS_VERSION_1_2, TLS1_3_VERSION, NULL, "TLS_AES_256_GCM_SHA384"},
	    {TLS_VERSION_1_3, TLS1_2_VERSION, NULL, NULL},
	    {TLS_VERSION_1_1, TLS1_VERSION, NULL, NULL},
	    {TLS_VERSION_1_1, TLS1_1_VERSION, NULL, "ECDHE-RSA-AES256-SHA"},
	    {TLS_VERSION_1_0, TLS1_VERSION, NULL, "ECDHE-RSA-AES256-SHA"},
	    {TLS_VERSION_1_0, TLS1_VERSION, "AES128-SHA@SECLEVEL=0", "AES128-SHA"},
	    {TLS_VERSION_1_0, TLS1_VERSION, "aNULL:eNULL:@SECLEVEL=0", NULL},
	    {TLS_VERSION_1_0, TLS1_3_VERSION, NULL, "TLS_AES_256_GCM_SHA384"},
	};
	struct certs certs;
	const struct tls_pair pair = pair_for("first.example", 2048, &certs);

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct tls_context *context = context_of(&pair, 1, rows[i].min_version, NULL);
		struct outcome outcome = shake_hands(&(struct wish){
		    .server = context, .version = rows[i].version, .ciphers = rows[i].ciphers});

		print_message("row %zu\n", i);
		assert_int_equal(outcome.is_done, rows[i].taken != NULL);
		if (rows[i].taken != NULL)
			assert_string_equal(outcome.cipher, rows[i].taken);
		drop(&outcome);
		tls_release(context);
	}
	certs_free(&certs);
}

/* ---- tickets ---- */

static void
set_keys(struct tls_tickets *tickets, uint8_t newest, uint8_t older)
{
	uint8_t bytes[2 * TICKET_KEY_SIZE];
	struct err err;

	memset(bytes, newest, TICKET_KEY_SIZE);
	memset(bytes + TICKET_KEY_SIZE, older, TICKET_KEY_SIZE);
	assert_int_equal(
	    tls_tickets_set(tickets, (struct msg_bytes){bytes, older == 0 ? 80 : 160}, &err), 0);
}

/* Two contexts are two processes: what they share are the keys. */
static void
test_tickets(void **state)
{
	struct certs certs;
	const struct tls_pair pair = pair_for("first.example", 0, &certs);
	struct tls_tickets *here = tls_tickets_new(), *there = tls_tickets_new();
	struct tls_context *one = context_of(&pair, 1, TLS_VERSION_1_2, here);
	struct tls_context *two = context_of(&pair, 1, TLS_VERSION_1_2, there);

	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
		struct wish first = {.server = one, .version = version};
		struct wish again = {.server = two, .version = version};
		struct outcome outcome, renewed, gone;

		set_keys(here, 1, 0);
		set_keys(there, 2, 1);
		outcome = shake_hands(&first);
		assert_true(outcome.is_done && !outcome.is_resumed);
		again.session = outcome.session;
		renewed = shake_hands(&again);
		assert_true(renewed.is_resumed);

		set_keys(there, 3, 2);
		gone = shake_hands(&again);
		assert_true(gone.is_done && !gone.is_resumed);
		drop(&gone);
		/* The one that was given for it has the newer key. */
		again.session = renewed.session;
		gone = shake_hands(&again);
		assert_true(gone.is_resumed);
		drop(&gone);
		drop(&renewed);
		drop(&outcome);
	}
	tls_release(one);
	tls_release(two);
	tls_tickets_release(here);
	tls_tickets_release(there);
	certs_free(&certs);
}

static void
test_no_early_data(void **state)
{
	struct certs certs;
	const struct tls_pair pair = pair_for("first.example", 0, &certs);
	struct tls_tickets *tickets = tls_tickets_new();
	struct tls_context *context = context_of(&pair, 1, TLS_VERSION_1_2, tickets);
	struct outcome outcome;

	set_keys(tickets, 1, 0);
	outcome = shake_hands(&(struct wish){.server = context, .version = TLS1_3_VERSION});
	assert_true(outcome.is_done);
	assert_int_equal(SSL_SESSION_get_max_early_data(outcome.session), 0);
	drop(&outcome);
	tls_release(context);
	tls_tickets_release(tickets);
	certs_free(&certs);
}

static void
test_wrong_keys(void **state)
{
	static const uint32_t sizes[] = {0, 1, 79, 81, 240};
	uint8_t bytes[240] = {0};
	struct tls_tickets *tickets = tls_tickets_new();
	struct err err;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		assert_int_equal(
		    tls_tickets_set(tickets, (struct msg_bytes){bytes, sizes[i]}, &err), -1);
	tls_tickets_release(tickets);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_certificate_by_name),
	    cmocka_unit_test(test_kind_of_key),
	    cmocka_unit_test(test_versions_and_ciphers),
	    cmocka_unit_test(test_tickets),
	    cmocka_unit_test(test_no_early_data),
	    cmocka_unit_test(test_wrong_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* ca - makes the CA and the certificate, and looks whether those that are there will do. */
#include "daemon/parent/ca.h"

#include "common/xalloc.h"
#include "daemon/parent/certificate.h"
#include "daemon/parent/keyfile.h"

#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

#define DAY_S 86400L
#define CA_DAYS 3650
#define SERVER_DAYS 820 /* some clients refuse more than 825 */
#define RENEWAL_DAYS 30

struct pair {
	X509 *certificate; /* NULL: there is none that can be used */
	EVP_PKEY *key;
};

static void
pair_fini(struct pair *pair)
{
	X509_free(pair->certificate);
	EVP_PKEY_free(pair->key);
	*pair = (struct pair){0};
}

/* 1: one of the two is not there. */
static int
pair_load(const struct keyfile_dir *dir, const char *certificate_name, const char *key_name,
    struct pair *out, struct err *err_out)
{
	struct buf certificate, key;
	int result;

	buf_init(&certificate);
	buf_init(&key);
	result = keyfile_read_public(dir, certificate_name, &certificate, err_out);
	if (result == 0)
		result = keyfile_read_private(dir, key_name, &key, err_out);
	if (result == 0) {
		out->certificate = certificate_parse(&certificate);
		out->key = certificate_parse_key(&key);
		if (out->certificate == NULL || out->key == NULL ||
		    X509_check_private_key(out->certificate, out->key) != 1)
			result = err_set(err_out,
			    "%s/%s and %s/%s do not belong together: remove both to have new ones "
			    "made",
			    dir->path, certificate_name, dir->path, key_name);
	}
	if (key.bytes != NULL)
		explicit_bzero(key.bytes, key.capacity);
	buf_fini(&certificate);
	buf_fini(&key);
	return result;
}

/* The key first: a certificate without its key would be taken for damage at the next start. */
static int
pair_store(const struct keyfile_dir *dir, const char *certificate_name, const char *key_name,
    const struct pair *pair, struct err *err_out)
{
	struct buf certificate, key;
	int result;

	buf_init(&certificate);
	buf_init(&key);
	certificate_format(pair->certificate, &certificate);
	certificate_format_key(pair->key, &key);
	result = keyfile_write(dir, key_name, 0600, key.bytes, key.size, err_out);
	if (result == 0)
		result = keyfile_write(
		    dir, certificate_name, 0644, certificate.bytes, certificate.size, err_out);
	explicit_bzero(key.bytes, key.capacity);
	buf_fini(&certificate);
	buf_fini(&key);
	return result;
}

static bool
has_days_left(const X509 *certificate, time_t now, int days)
{
	time_t then = now + days * DAY_S;

	return X509_cmp_time(X509_get0_notAfter(certificate), &then) > 0 &&
	       X509_cmp_time(X509_get0_notBefore(certificate), &now) < 0;
}

static int
ensure_ca(const struct keyfile_dir *dir, const char *hostname, time_t now, struct pair *ca,
    struct ca_files *out, struct err *err_out)
{
	struct certificate_request request = {.days = CA_DAYS, .now = now, .is_ca = true};
	int result = pair_load(dir, "ca.pem", "ca.key", ca, err_out);
	char *name;

	if (result < 0)
		return -1;
	if (result == 0 && has_days_left(ca->certificate, now, 0))
		return 0;
	pair_fini(ca);
	name = xasprintf("postern CA on %s", hostname);
	request.name = name;
	ca->key = certificate_make_key();
	ca->certificate = certificate_make(&request, ca->key, NULL, ca->key);
	free(name);
	out->has_new_ca = true;
	return pair_store(dir, "ca.pem", "ca.key", ca, err_out);
}

static int
ensure_server(const struct keyfile_dir *dir, const struct certificate_names *names, time_t now,
    const struct pair *ca, struct pair *server, struct ca_files *out, struct err *err_out)
{
	const struct certificate_request request = {
	    .name = names->text[0], .names = names, .days = SERVER_DAYS, .now = now};
	int result = pair_load(dir, "server.pem", "server.key", server, err_out);

	if (result < 0)
		return -1;
	if (result == 0 && has_days_left(server->certificate, now, RENEWAL_DAYS) &&
	    certificate_is_signed_by(server->certificate, ca->certificate) &&
	    certificate_has_names(server->certificate, names))
		return 0;
	pair_fini(server);
	server->key = certificate_make_key();
	server->certificate = certificate_make(&request, server->key, ca->certificate, ca->key);
	out->has_new_certificate = true;
	return pair_store(dir, "server.pem", "server.key", server, err_out);
}

int
ca_ensure(const char *state_dir, const char *hostname, time_t now, struct ca_files *out,
    struct err *err_out)
{
	char *path = xasprintf("%s/tls", state_dir);
	struct certificate_names names = {0};
	struct pair ca = {0}, server = {0};
	struct keyfile_dir dir;
	int result = keyfile_open_private_dir(path, &dir, err_out);

	*out = (struct ca_files){0};
	certificate_names_of_machine(&names, hostname);
	if (result == 0)
		result = ensure_ca(&dir, hostname, now, &ca, out, err_out);
	if (result == 0)
		result = ensure_server(&dir, &names, now, &ca, &server, out, err_out);
	if (result == 0) {
		certificate_format(ca.certificate, &out->ca_certificate);
		certificate_format(server.certificate, &out->certificate);
		certificate_format_key(server.key, &out->key);
	}
	pair_fini(&ca);
	pair_fini(&server);
	certificate_names_fini(&names);
	keyfile_close_dir(&dir);
	free(path);
	return result;
}

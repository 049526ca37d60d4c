/* Our own CA: made once, renewed in time, and kept to ourselves. */
#include "daemon/parent/ca.h"

#include "common/xalloc.h"
#include "daemon/parent/certificate.h"
#include "tests/lib/scratch.h"

#include <openssl/x509v3.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#define DAY_S 86400L

static char directory[SCRATCH_SIZE];

static int
make_directory(void **state)
{
	return !scratch_make(directory, "ca");
}

static int
remove_directory(void **state)
{
	char *command = xasprintf("rm -rf %s", directory);
	int result = system(command);

	free(command);
	return result;
}

static void
files_fini(struct ca_files *files)
{
	buf_fini(&files->ca_certificate);
	buf_fini(&files->certificate);
	buf_fini(&files->key);
}

static struct ca_files
ensure_files(const char *hostname, time_t now)
{
	struct ca_files files;
	struct err err = {""};

	if (ca_ensure(directory, hostname, now, &files, &err) != 0)
		fail_msg("%s", err.text);
	return files;
}

static void
assert_mode(const char *name, mode_t mode)
{
	char *path = xasprintf("%s/tls/%s", directory, name);
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, mode);
	free(path);
}

static void
write_file(const char *name, const char *text)
{
	char *path = xasprintf("%s/tls/%s", directory, name);
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
	free(path);
}

static int
verify(const struct ca_files *files, const char *host)
{
	X509 *ca = certificate_parse(&files->ca_certificate);
	X509 *leaf = certificate_parse(&files->certificate);
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *context = X509_STORE_CTX_new();
	X509_VERIFY_PARAM *wanted;
	int result;

	assert_int_equal(X509_STORE_add_cert(store, ca), 1);
	assert_int_equal(X509_STORE_CTX_init(context, store, leaf, NULL), 1);
	wanted = X509_STORE_CTX_get0_param(context);
	(void)X509_VERIFY_PARAM_set_flags(wanted, X509_V_FLAG_X509_STRICT);
	(void)X509_VERIFY_PARAM_set_purpose(wanted, X509_PURPOSE_SSL_SERVER);
	if (X509_VERIFY_PARAM_set1_ip_asc(wanted, host) != 1)
		(void)X509_VERIFY_PARAM_set1_host(wanted, host, 0);
	(void)X509_verify_cert(context);
	result = X509_STORE_CTX_get_error(context);
	X509_STORE_CTX_free(context);
	X509_STORE_free(store);
	X509_free(ca);
	X509_free(leaf);
	return result;
}

static void
test_made_once(void **state)
{
	struct ca_files first = ensure_files("relay.example.com", time(NULL));
	struct ca_files second = ensure_files("relay.example.com", time(NULL));

	assert_true(first.has_new_ca && first.has_new_certificate);
	assert_false(second.has_new_ca || second.has_new_certificate);
	assert_string_equal(first.ca_certificate.bytes, second.ca_certificate.bytes);
	assert_string_equal(first.certificate.bytes, second.certificate.bytes);
	assert_string_equal(first.key.bytes, second.key.bytes);
	assert_mode("", 0700);
	assert_mode("ca.key", 0600);
	assert_mode("ca.pem", 0644);
	assert_mode("server.key", 0600);
	assert_mode("server.pem", 0644);
	files_fini(&first);
	files_fini(&second);
}

static void
test_names(void **state)
{
	static const struct {
		const char *host;
		int error;
	} rows[] = {
	    {"relay.example.com", X509_V_OK},
	    {"localhost", X509_V_OK},
	    {"127.0.0.1", X509_V_OK},
	    {"::1", X509_V_OK},
	    {"mail.example.com", X509_V_ERR_HOSTNAME_MISMATCH},
	    {"192.0.2.1", X509_V_ERR_IP_ADDRESS_MISMATCH},
	};
	struct ca_files files = ensure_files("relay.example.com", time(NULL));

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(verify(&files, rows[i].host), rows[i].error);
	files_fini(&files);
}

static void
test_renewal(void **state)
{
	static const struct {
		const char *hostname;
		int days;
		bool has_new_ca, has_new_certificate;
	} rows[] = {
	    {"relay.example.com", 0, true, true},
	    {"relay.example.com", 780, false, false},
	    {"relay.example.com", 800, false, true},
	    {"RELAY.example.com", 800, false, false},
	    {"other.example.com", 800, false, true},
	    {"192.0.2.7", 801, false, true},
	    {"other.example.com", 3640, false, true},
	    {"other.example.com", 3651, true, true},
	};
	time_t start = time(NULL);

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ca_files files =
		    ensure_files(rows[i].hostname, start + rows[i].days * DAY_S);

		assert_int_equal(files.has_new_ca, rows[i].has_new_ca);
		assert_int_equal(files.has_new_certificate, rows[i].has_new_certificate);
		files_fini(&files);
	}
}

static void
test_dates(void **state)
{
	time_t now = time(NULL), later;
	struct ca_files files = ensure_files("relay.example.com", now);
	X509 *leaf = certificate_parse(&files.certificate);
	X509 *ca = certificate_parse(&files.ca_certificate);
	int days, seconds;

	later = now + 3649 * DAY_S;
	assert_true(X509_cmp_time(X509_get0_notAfter(ca), &later) > 0);
	assert_int_equal(
	    ASN1_TIME_diff(&days, &seconds, X509_get0_notBefore(leaf), X509_get0_notAfter(leaf)),
	    1);
	assert_in_range(days, 800, 825);
	assert_int_equal(X509_get_pathlen(ca), 0);
	X509_free(leaf);
	X509_free(ca);
	files_fini(&files);
}

static void
test_damage_is_refused(void **state)
{
	static const struct {
		const char *file;
		const char *words;
	} rows[] = {
	    {"ca.key", "do not belong together"},
	    {"server.pem", "do not belong together"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ca_files files = ensure_files("relay.example.com", time(NULL));
		struct err err = {""};

		files_fini(&files);
		write_file(rows[i].file, "damaged\n");
		assert_int_equal(
		    ca_ensure(directory, "relay.example.com", time(NULL), &files, &err), -1);
		assert_non_null(strstr(err.text, rows[i].words));
		assert_non_null(strstr(err.text, rows[i].file));
		assert_int_equal(remove_directory(state), 0);
		assert_int_equal(mkdir(directory, 0700), 0);
	}
}

static void
test_open_directories_are_refused(void **state)
{
	struct ca_files files = ensure_files("relay.example.com", time(NULL));
	char *path = xasprintf("%s/tls", directory);
	char *key = xasprintf("%s/tls/ca.key", directory);
	struct err err = {""};

	files_fini(&files);
	assert_int_equal(chmod(key, 0640), 0);
	assert_int_equal(ca_ensure(directory, "a.example", time(NULL), &files, &err), -1);
	assert_non_null(strstr(err.text, "mode 0640"));
	assert_int_equal(chmod(key, 0600), 0);
	assert_int_equal(chmod(path, 0770), 0);
	assert_int_equal(ca_ensure(directory, "a.example", time(NULL), &files, &err), -1);
	assert_non_null(strstr(err.text, "mode 0770"));
	free(path);
	free(key);
}

/* A key without its certificate is what a start leaves that was cut short. */
static void
test_half_a_pair_is_made_again(void **state)
{
	struct ca_files files = ensure_files("relay.example.com", time(NULL));
	char *path = xasprintf("%s/tls/server.pem", directory);

	files_fini(&files);
	assert_int_equal(unlink(path), 0);
	write_file("server.pem.new", "half");
	files = ensure_files("relay.example.com", time(NULL));
	assert_true(files.has_new_certificate && !files.has_new_ca);
	assert_int_equal(verify(&files, "localhost"), X509_V_OK);
	files_fini(&files);
	free(path);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_made_once, make_directory, remove_directory),
	    cmocka_unit_test_setup_teardown(test_names, make_directory, remove_directory),
	    cmocka_unit_test_setup_teardown(test_renewal, make_directory, remove_directory),
	    cmocka_unit_test_setup_teardown(test_dates, make_directory, remove_directory),
	    cmocka_unit_test_setup_teardown(
		test_damage_is_refused, make_directory, remove_directory),
	    cmocka_unit_test_setup_teardown(
		test_open_directories_are_refused, make_directory, remove_directory),
	    cmocka_unit_test_setup_teardown(
		test_half_a_pair_is_made_again, make_directory, remove_directory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

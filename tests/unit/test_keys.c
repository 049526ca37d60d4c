/* Keys that the parent keeps: made once, and refused when they are not what they should be. */
#include "daemon/parent/keys.h"

#include "common/xalloc.h"
#include "tests/unit/certs.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static char directory[64];

static int
make_directory(void **state)
{
	strcpy(directory, "/tmp/postern-keys-XXXXXX");
	return mkdtemp(directory) == NULL;
}

static int
remove_directory(void **state)
{
	char *command = xasprintf("rm -rf %s", directory);
	int result = system(command);

	free(command);
	return result;
}

static char *
write_file(const char *name, const void *bytes, size_t size, mode_t mode)
{
	char *path = xasprintf("%s/%s", directory, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, size), size);
	assert_int_equal(fchmod(fd, mode), 0);
	assert_int_equal(close(fd), 0);
	return path;
}

static void
test_seal_key_is_made_once(void **state)
{
	struct buf first, second;
	struct stat st;
	struct err err;
	char *path = xasprintf("%s/seal.key", directory);

	buf_init(&first);
	buf_init(&second);
	assert_int_equal(keys_seal(directory, &first, &err), 0);
	assert_int_equal(keys_seal(directory, &second, &err), 0);
	assert_int_equal(first.size, 32);
	assert_int_equal(second.size, 32);
	assert_memory_equal(first.bytes, second.bytes, 32);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	buf_fini(&first);
	buf_fini(&second);
	free(path);
}

static void
test_seal_key_is_refused(void **state)
{
	static const struct {
		size_t size;
		mode_t mode;
		const char *words;
	} rows[] = {
	    {0, 0600, "has 0 bytes instead of 32"},
	    {31, 0600, "has 31 bytes instead of 32"},
	    {33, 0600, "has 33 bytes instead of 32"},
	    {32, 0640, "its mode must be 0600"},
	    {32, 0604, "its mode must be 0600"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char bytes[64] = {0};
		struct err err = {""};
		struct buf key;

		buf_init(&key);
		free(write_file("seal.key", bytes, rows[i].size, rows[i].mode));
		assert_int_equal(keys_seal(directory, &key, &err), -1);
		assert_non_null(strstr(err.text, rows[i].words));
		assert_non_null(strstr(err.text, "seal.key"));
		buf_fini(&key);
	}
}

static void
test_seal_key_is_no_link(void **state)
{
	const char bytes[32] = {0};
	char *target = write_file("target", bytes, sizeof(bytes), 0600);
	char *path = xasprintf("%s/seal.key", directory);
	struct err err = {""};
	struct buf key;

	buf_init(&key);
	assert_int_equal(symlink(target, path), 0);
	assert_int_equal(keys_seal(directory, &key, &err), -1);
	assert_non_null(strstr(err.text, "cannot open"));
	free(target);
	free(path);
	buf_fini(&key);
}

static void
test_tickets_differ(void **state)
{
	struct buf first, second;

	buf_init(&first);
	buf_init(&second);
	keys_tickets(&first);
	keys_tickets(&second);
	assert_int_equal(first.size, 80);
	assert_memory_not_equal(first.bytes, second.bytes, 80);
	buf_fini(&first);
	buf_fini(&second);
}

static int
read_pair(const char *certificate, const char *key, struct err *err)
{
	struct config config = {.tls.certificate = (char *)certificate, .tls.key = (char *)key};
	struct buf certificate_pem, key_pem;
	int result;

	buf_init(&certificate_pem);
	buf_init(&key_pem);
	result = keys_read_certificate(&config, &certificate_pem, &key_pem, err);
	buf_fini(&certificate_pem);
	buf_fini(&key_pem);
	return result;
}

static void
test_configured_certificate(void **state)
{
	const struct certs_request request = {.name = "relay.example.com", .ends_in_days = 10};
	struct certs one = certs_make(&request, NULL), other = certs_make(&request, NULL);
	char *certificate = write_file("c.pem", one.certificate.at, one.certificate.size, 0644);
	char *key = write_file("k.pem", one.key.at, one.key.size, 0600);
	char *other_key = write_file("o.pem", other.key.at, other.key.size, 0600);
	char *text = write_file("text", "hello\n", 6, 0600);
	const struct {
		const char *certificate, *key, *words;
	} rows[] = {
	    {certificate, other_key, "o.pem is not the key of the certificate in "},
	    {text, key, "config: tls.certificate: there is no certificate in "},
	    {certificate, text, "config: tls.key: there is no private key in "},
	    {certificate, "/nonexistent/k.pem",
		"cannot open /nonexistent/k.pem: No such file or directory"},
	    {directory, key, "cannot read"},
	};
	struct err err = {""};

	assert_int_equal(read_pair(certificate, key, &err), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(read_pair(rows[i].certificate, rows[i].key, &err), -1);
		assert_non_null(strstr(err.text, rows[i].words));
	}
	certs_free(&one);
	certs_free(&other);
	free(certificate);
	free(key);
	free(other_key);
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		test_seal_key_is_made_once, make_directory, remove_directory),
	    cmocka_unit_test_setup_teardown(
		test_seal_key_is_refused, make_directory, remove_directory),
	    cmocka_unit_test_setup_teardown(
		test_seal_key_is_no_link, make_directory, remove_directory),
	    cmocka_unit_test(test_tickets_differ),
	    cmocka_unit_test_setup_teardown(
		test_configured_certificate, make_directory, remove_directory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

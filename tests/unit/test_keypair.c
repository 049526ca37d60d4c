/* Certificates and keys that an operator may get wrong, and the words for it. */
#include "daemon/parent/keypair.h"

#include "common/xalloc.h"
#include "tests/lib/scratch.h"
#include "tests/unit/certs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static char directory[SCRATCH_SIZE];

static int
make_directory(void **state)
{
	return !scratch_make(directory, "keypair");
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
append(FILE *file, struct msg_bytes bytes)
{
	assert_int_equal(fwrite(bytes.at, 1, bytes.size, file), bytes.size);
}

static char *
write_file(const char *name, const struct msg_bytes *parts, size_t count)
{
	char *path = xasprintf("%s/%s", directory, name);
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	for (size_t i = 0; i < count; i++)
		append(file, parts[i]);
	assert_int_equal(fclose(file), 0);
	return path;
}

static struct certs ca, server, other, old, soon, future, weak;

static int
make_certificates(void **state)
{
	struct certs_request of_ca = {.name = "our CA", .ends_in_days = 100, .is_ca = true};
	struct certs_request request = {.name = "relay.example.com", .ends_in_days = 50};

	ca = certs_make(&of_ca, NULL);
	server = certs_make(&request, &ca);
	other = certs_make(&request, NULL);
	request.ends_in_days = 13;
	soon = certs_make(&request, &ca);
	request.rsa_bits = 1024;
	weak = certs_make(&request, &ca);
	request = (struct certs_request){
	    .name = "relay.example.com", .starts_in_days = -5, .ends_in_days = -3};
	old = certs_make(&request, &ca);
	request = (struct certs_request){
	    .name = "relay.example.com", .starts_in_days = 3, .ends_in_days = 50};
	future = certs_make(&request, &ca);
	return 0;
}

static int
free_certificates(void **state)
{
	struct certs *all[] = {&ca, &server, &other, &old, &soon, &future, &weak};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		certs_free(all[i]);
	return 0;
}

static int
read_pair(const char *certificate, const char *key, struct keypair *out, struct err *err)
{
	struct config config = {0};
	struct config_pair named = {
	    .certificate = (char *)certificate, .key = (char *)key, .place = (char *)"conf:7"};

	return keypair_read(&config, &named, out, err);
}

#define TEXT(text)                                                                                 \
	{                                                                                          \
		(const uint8_t *)(text), sizeof(text) - 1                                          \
	}

static void
test_what_is_wrong(void **state)
{
	const struct msg_bytes text = TEXT("hello\n"), nothing = {0};
	const struct msg_bytes half = {server.certificate.at, server.certificate.size / 2};
	const struct msg_bytes locked = TEXT(
	    "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n");
	const struct {
		struct msg_bytes certificates[2], key;
		const char *words; /* NULL: nothing */
	} rows[] = {
	    {{server.certificate, nothing}, server.key, NULL},
	    {{server.certificate, ca.certificate}, server.key, NULL},
	    {{server.certificate, nothing}, other.key, "conf:7: tls.certificates.key: "},
	    {{server.certificate, nothing}, other.key,
		"k.pem is not the key of the certificate in"},
	    {{ca.certificate, server.certificate}, server.key,
		"k.pem has the key of certificate 2 in"},
	    {{server.certificate, other.certificate}, server.key, "certificate 2 in"},
	    {{server.certificate, half}, server.key, "behind certificate 1 of"},
	    {{text, nothing}, server.key, "there is no certificate in"},
	    {{nothing, nothing}, server.key, "there is no certificate in"},
	    {{server.certificate, nothing}, text, "there is no private key in"},
	    {{server.certificate, nothing}, nothing, "there is no private key in"},
	    {{server.certificate, nothing}, locked, "k.pem has a passphrase"},
	    {{weak.certificate, nothing}, weak.key, "k.pem has 1024 bits"},
	    {{soon.certificate, nothing}, soon.key, NULL},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *certificate = write_file("c.pem", rows[i].certificates, 2);
		char *key = write_file("k.pem", &rows[i].key, 1);
		struct keypair pair;
		struct err err = {""};
		int result = read_pair(certificate, key, &pair, &err);

		print_message("%zu: %s\n", i, err.text);
		assert_int_equal(result, rows[i].words == NULL ? 0 : -1);
		if (rows[i].words != NULL)
			assert_non_null(strstr(err.text, rows[i].words));
		keypair_fini(&pair);
		free(certificate);
		free(key);
	}
}

static void
test_files_that_cannot_be_read(void **state)
{
	const struct msg_bytes none = {0};
	char *certificate = write_file("c.pem", &server.certificate, 1);
	char *empty = write_file("k.pem", &none, 1);
	struct keypair pair;
	struct err err;

	assert_int_equal(read_pair("/nonexistent/c.pem", empty, &pair, &err), -1);
	assert_string_equal(err.text, "conf:7: tls.certificates.certificate: cannot open "
				      "/nonexistent/c.pem: No such file or directory");
	keypair_fini(&pair);
	assert_int_equal(read_pair(certificate, "/nonexistent/k.pem", &pair, &err), -1);
	assert_non_null(strstr(err.text, "tls.certificates.key: cannot open /nonexistent/k.pem"));
	keypair_fini(&pair);
	assert_int_equal(read_pair(directory, empty, &pair, &err), -1);
	assert_non_null(strstr(err.text, "cannot read"));
	keypair_fini(&pair);
	free(certificate);
	free(empty);
}

static void
test_dates(void **state)
{
	const struct {
		const struct certs *first, *second;
		enum keypair_state state;
		const char *words;
	} rows[] = {
	    {&server, &ca, KEYPAIR_GOOD, ""},
	    {&soon, &ca, KEYPAIR_ENDS_SOON, "the certificate expires on 20"},
	    {&old, &ca, KEYPAIR_NOT_VALID, "the certificate expired on 20"},
	    {&future, &ca, KEYPAIR_NOT_VALID, "the certificate is valid only from 20"},
	    {&server, &soon, KEYPAIR_ENDS_SOON, "certificate 2 of the chain expires on 20"},
	    {&soon, &old, KEYPAIR_NOT_VALID, "certificate 2 of the chain expired on 20"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct keypair pair = {0};
		struct err words = {""};

		buf_append(&pair.certificate, rows[i].first->certificate.at,
		    rows[i].first->certificate.size);
		buf_append(&pair.certificate, rows[i].second->certificate.at,
		    rows[i].second->certificate.size);
		assert_int_equal(keypair_judge(&pair, time(NULL), &words), rows[i].state);
		assert_memory_equal(words.text, rows[i].words, strlen(rows[i].words));
		keypair_fini(&pair);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_what_is_wrong, make_directory, remove_directory),
	    cmocka_unit_test_setup_teardown(
		test_files_that_cannot_be_read, make_directory, remove_directory),
	    cmocka_unit_test(test_dates),
	};

	return cmocka_run_group_tests(tests, make_certificates, free_certificates);
}

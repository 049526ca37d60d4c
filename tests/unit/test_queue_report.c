/* What is counted: how long deliveries took, counters as bytes, and the sums that people see. */
#include "daemon/queue/report.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* ---- latency ---- */

static void
test_buckets_rise_and_hold_everything(void **state)
{
	unsigned before = 0;

	assert_int_equal(latency_bucket(0), 0);
	for (uint64_t ms = 1; ms < UINT64_C(1) << 40; ms += ms / 7 + 1) {
		unsigned bucket = latency_bucket(ms);

		assert_true(bucket >= before && bucket < LATENCY_BUCKETS);
		before = bucket;
	}
	assert_int_equal(latency_bucket(UINT64_MAX), LATENCY_BUCKETS - 1);
	/* Five days are not yet the last. */
	assert_true(latency_bucket(UINT64_C(5) * 24 * 3600 * 1000) < LATENCY_BUCKETS - 1);
}

static void
test_percentiles_are_near(void **state)
{
	uint64_t counts[LATENCY_BUCKETS] = {0};

	assert_int_equal(latency_percentile(counts, 50), 0);
	for (uint64_t ms = 1; ms <= 10000; ms++)
		counts[latency_bucket(ms)]++;
	assert_in_range(latency_percentile(counts, 50), 4700, 5300);
	assert_in_range(latency_percentile(counts, 90), 8500, 9900);
	assert_in_range(latency_percentile(counts, 99), 9400, 10900);
	memset(counts, 0, sizeof(counts));
	counts[latency_bucket(300)] = 1;
	assert_in_range(latency_percentile(counts, 99), 240, 400);
}

/* ---- bytes ---- */

static struct statistics
example(uint64_t accepted, uint64_t delivered, uint64_t ms)
{
	struct statistics statistics = {0};

	statistics.counts[STATISTIC_ACCEPTED] = accepted;
	statistics.counts[STATISTIC_DELIVERED] = delivered;
	statistics.counts[STATISTIC_LATENCY_MS] = delivered * ms;
	statistics.latency[latency_bucket(ms)] = delivered;
	return statistics;
}

static void
test_bytes_there_and_back(void **state)
{
	struct statistics from = example(UINT64_MAX, 7, 500), to;
	struct buf bytes = {0};

	statistics_write(&bytes, &from);
	assert_true(statistics_read(bytes.bytes, bytes.size, &to));
	assert_memory_equal(&from, &to, sizeof(from));
	/* Cut anywhere, or with a byte behind it, it is none. */
	for (size_t size = 0; size < bytes.size; size++)
		assert_false(statistics_read(bytes.bytes, size, &to));
	buf_char(&bytes, 'x');
	assert_false(statistics_read(bytes.bytes, bytes.size, &to));
	assert_false(statistics_read("\xff\x01", 2, &to));
	assert_true(statistics_read("\x01\x05\x00", 3, &to));
	assert_int_equal(to.counts[STATISTIC_ACCEPTED], 5);
	assert_int_equal(to.counts[STATISTIC_SENT], 0);
	buf_fini(&bytes);
}

/* ---- sums ---- */

static const struct statistics_key keys[] = {
    {.hour = 24, .list = "web", .login = "shop", .profile = "office"},
    {.hour = 25, .list = "web", .login = "shop", .profile = "backup"},
    {.hour = 47, .list = "web", .login = "blog", .profile = "office"},
    {.hour = 48, .list = "crm", .login = "sales", .profile = "office"},
};

static char *
rows_by(enum report_by by, const struct report_filter *filter)
{
	struct report *report = report_new(by, filter);
	json_t *object, *row;
	struct buf text = {0};
	size_t i;

	for (i = 0; i < 4; i++) {
		struct statistics statistics = example(1u << i, 1, 100);

		report_add(&keys[i], &statistics, report);
	}
	object = report_json(report);
	json_array_foreach(json_object_get(object, "rows"), i, row)
	{
		static const char *const names[] = {"at", "list", "user", "profile"};

		for (size_t k = 0; k < 4; k++)
			if (json_object_get(row, names[k]) != NULL)
				buf_printf(&text, "%s ",
				    json_string_value(json_object_get(row, names[k])));
		buf_printf(
		    &text, "%d, ", (int)json_integer_value(json_object_get(row, "accepted")));
	}
	buf_printf(&text, "total %d",
	    (int)json_integer_value(json_object_get(json_object_get(object, "total"), "accepted")));
	json_decref(object);
	report_free(report);
	return buf_give(&text);
}

static void
test_rows_are_summed_as_asked(void **state)
{
	static const struct {
		enum report_by by;
		struct report_filter filter;
		const char *expected;
	} rows[] = {
	    {REPORT_BY_LIST, {0}, "crm 8, web 7, total 15"},
	    {REPORT_BY_USER, {0}, "crm sales 8, web blog 4, web shop 3, total 15"},
	    {REPORT_BY_PROFILE, {0}, "backup 2, office 13, total 15"},
	    {REPORT_BY_HOUR, {0},
		"1970-01-02T00:00:00Z 1, 1970-01-02T01:00:00Z 2, 1970-01-02T23:00:00Z 4, "
		"1970-01-03T00:00:00Z 8, total 15"},
	    {REPORT_BY_DAY, {0}, "1970-01-02T00:00:00Z 7, 1970-01-03T00:00:00Z 8, total 15"},
	    {REPORT_BY_LIST, {.list = "WEB"}, "web 7, total 7"},
	    {REPORT_BY_LIST, {.login = "shop", .profile = "backup"}, "web 2, total 2"},
	    {REPORT_BY_LIST, {.login = "nobody"}, "total 0"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *text = rows_by(rows[i].by, &rows[i].filter);

		assert_string_equal(text, rows[i].expected);
		free(text);
	}
}

static void
test_latency_of_nothing_is_not_known(void **state)
{
	struct report *report = report_new(REPORT_BY_LIST, &(struct report_filter){0});
	json_t *object = report_json(report);
	const json_t *latency = json_object_get(json_object_get(object, "total"), "latency");

	assert_true(json_is_null(json_object_get(latency, "p50")));
	assert_true(json_is_null(json_object_get(latency, "mean")));
	json_decref(object);
	report_free(report);
}

static void
test_words(void **state)
{
	assert_int_equal(report_parse_by("hour"), REPORT_BY_HOUR);
	assert_int_equal(report_parse_by("week"), REPORT_BY_COUNT);
	assert_int_equal(report_parse_by(""), REPORT_BY_COUNT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_buckets_rise_and_hold_everything),
	    cmocka_unit_test(test_percentiles_are_near),
	    cmocka_unit_test(test_bytes_there_and_back),
	    cmocka_unit_test(test_rows_are_summed_as_asked),
	    cmocka_unit_test(test_latency_of_nothing_is_not_known),
	    cmocka_unit_test(test_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

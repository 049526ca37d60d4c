/* sasl_exchange - a bounded table of exchanges in buckets. */
#include "daemon/accounts/sasl_exchange.h"

#include "common/xalloc.h"
#include "daemon/accounts/password.h"

#include <stdlib.h>

#define EXCHANGES_MAX 16384

void
exchanges_init(struct exchanges *exchanges)
{
	*exchanges = (struct exchanges){0};
	for (size_t i = 0; i < EXCHANGE_BUCKETS; i++)
		list_init(&exchanges->buckets[i]);
}

static struct list *
bucket_of(struct exchanges *exchanges, uint64_t number)
{
	return &exchanges->buckets[number % EXCHANGE_BUCKETS];
}

struct exchange *
exchanges_add(
    struct exchanges *exchanges, struct link *smtpd, uint64_t smtpd_number, Gsasl_session *session)
{
	struct exchange *exchange;

	if (exchanges->count >= EXCHANGES_MAX) {
		gsasl_finish(session);
		return NULL;
	}
	exchange = xcalloc(1, sizeof(*exchange));
	/* Its bucket can be told from either number. */
	exchange->number =
	    ++exchanges->last_number * EXCHANGE_BUCKETS + smtpd_number % EXCHANGE_BUCKETS;
	exchange->smtpd = smtpd;
	exchange->smtpd_number = smtpd_number;
	exchange->session = session;
	gsasl_session_hook_set(session, exchange);
	list_append(bucket_of(exchanges, smtpd_number), &exchange->link);
	exchanges->count++;
	return exchange;
}

void
exchange_free(struct exchanges *exchanges, struct exchange *exchange)
{
	list_remove(&exchange->link);
	exchanges->count--;
	gsasl_finish(exchange->session);
	free(exchange->authorization);
	free(exchange->login);
	free(exchange->exporter);
	free(exchange->unique);
	sasl_user_fini(&exchange->user);
	password_free(exchange->password);
	free(exchange);
}

struct exchange *
exchanges_find(struct exchanges *exchanges, const struct link *smtpd, uint64_t smtpd_number)
{
	LIST_EACH (bucket_of(exchanges, smtpd_number), at) {
		struct exchange *exchange = LIST_ENTRY(at, struct exchange, link);

		if (exchange->smtpd == smtpd && exchange->smtpd_number == smtpd_number)
			return exchange;
	}
	return NULL;
}

struct exchange *
exchanges_find_number(struct exchanges *exchanges, uint64_t number)
{
	LIST_EACH (bucket_of(exchanges, number), at) {
		struct exchange *exchange = LIST_ENTRY(at, struct exchange, link);

		if (exchange->number == number)
			return exchange;
	}
	return NULL;
}

/* `what` is for is_meant() alone. */
static void
free_those(struct exchanges *exchanges,
    bool (*is_meant)(const struct exchange *exchange, const void *what), const void *what)
{
	for (size_t i = 0; i < EXCHANGE_BUCKETS; i++)
		LIST_EACH_SAFE (&exchanges->buckets[i], at, next) {
			struct exchange *exchange = LIST_ENTRY(at, struct exchange, link);

			if (is_meant(exchange, what))
				exchange_free(exchanges, exchange);
		}
}

static bool
is_of_link(const struct exchange *exchange, const void *link)
{
	return exchange->smtpd == link;
}

static bool
is_over(const struct exchange *exchange, const void *now_ms)
{
	return exchange->ends_at_ms <= *(const int64_t *)now_ms;
}

static bool
is_any(const struct exchange *exchange, const void *unused)
{
	return true;
}

void
exchanges_forget_link(struct exchanges *exchanges, const struct link *smtpd)
{
	free_those(exchanges, is_of_link, smtpd);
}

void
exchanges_sweep(struct exchanges *exchanges, int64_t now_ms)
{
	free_those(exchanges, is_over, &now_ms);
}

void
exchanges_fini(struct exchanges *exchanges)
{
	free_those(exchanges, is_any, NULL);
}

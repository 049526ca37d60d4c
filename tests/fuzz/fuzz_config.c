/*
 * The config, as a role reads it from the parent: whatever is accepted has what the rest of the
 * daemon takes for granted, and whatever is refused says why in one line.
 */
#include "daemon/config/config.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
const char *__lsan_default_suppressions(void);

/* libconfig 1.5 leaks a string when it meets an error behind it. */
const char *
__lsan_default_suppressions(void)
{
	return "leak:libconfig";
}

static void
check_accepted(const struct config *config)
{
	ensure(config->hostname != NULL && config->hostname[0] != '\0');
	ensure(config->state_dir != NULL && config->run_dir != NULL && config->capture_dir != NULL);
	ensure(config->queue.retry_count > 0 && config->queue.retry_count <= CONFIG_RETRY_MAX);
	ensure(config->queue.lifetime_ms > 0);
	ensure(config->limits.message_size_bytes > 0 && config->limits.recipients > 0);
	ensure(config_smtpd_processes(config) >= 1);
	for (size_t i = 0; i < config->listener_count; i++)
		for (size_t k = 0; k < config->listeners[i].port_count; k++)
			ensure(config->listeners[i].ports[k].first > 0 &&
			       config->listeners[i].ports[k].first <=
				   config->listeners[i].ports[k].last);
	for (size_t i = 0; i < config->trusted_count; i++)
		ensure(config->trusted[i].user != NULL && config->trusted[i].prefix_bits <= 128);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct config *config;
	struct err err = {""};

	if (config_parse((const char *)bytes, size, &config, &err) != 0) {
		ensure(err.text[0] != '\0' && strchr(err.text, '\n') == NULL);
		return 0;
	}
	check_accepted(config);
	ensure(config_check_reload(config, config, &err) == 0);
	config_release(config);
	return 0;
}

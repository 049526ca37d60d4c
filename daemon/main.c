/* posternd - flags, then the parent or the role that was asked for. */
#include "daemon/accounts/accounts.h"
#include "daemon/control/control.h"
#include "daemon/queue/queue.h"
#include "daemon/relay/relay.h"
#include "daemon/smtpd/smtpd.h"

int
main(void)
{
	return 0;
}

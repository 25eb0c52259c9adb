#include "subject.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

// A network namespace that the caller has set up, as the tools of iproute2 and nftables show it, and sockets in it: a listening
// one, a connection over each address that is given, UDP, and a name of the namespace's own.

enum { most_addresses = 4 };

// What the kernel counts and numbers anew each time is taken out, and UNKNOWN, which a link is that was never down.
static const char *const commands[] = {
    // What a stock criu carries too, where an address of IPv6 may be in doubt for a while.
    "ip -o link | sed -E 's/@if[0-9]+//; s/link-netnsid -?[0-9]+//; s/state UNKNOWN/state UP/'",
    "ip -o addr | sed 's/ tentative//'",
    "ip route",
    "ip -6 route | sort",
    "ip rule",
    "nft list ruleset",
    // And what it does not.
    "ip route show table all | sort",
    "ip -6 route show table all | sort",
    "ip -6 rule",
    "ip -o neigh show nud permanent",
    "bridge link | sed -E 's/@if[0-9]+//'",
    "sysctl net.ipv4.ip_forward net.core.somaxconn net.ipv4.tcp_rmem net.ipv4.ip_unprivileged_port_start",
};
enum { view_count = sizeof commands / sizeof commands[0], common_views = 6 };
static char *before[view_count];

struct connection {
    int listener, near, far;
};

static struct connection connect_over(const char *address)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = 0};
    socklen_t length = sizeof name;
    CHECK(inet_pton(AF_INET, address, &name.sin_addr) == 1, "%s is no address", address);
    struct connection made;
    made.listener = MUST(socket(AF_INET, SOCK_STREAM, 0));
    CHECK(bind(made.listener, (struct sockaddr *)&name, sizeof name) == 0, "bind %s: %s", address, strerror(errno));
    MUST(listen(made.listener, 5));
    MUST(getsockname(made.listener, (struct sockaddr *)&name, &length));
    made.near = MUST(socket(AF_INET, SOCK_STREAM, 0));
    MUST(connect(made.near, (struct sockaddr *)&name, sizeof name));
    made.far = MUST(accept(made.listener, NULL, NULL));
    CHECK(write(made.near, "unread", 6) == 6, "write: %s", strerror(errno));
    return made;
}

static void check_connection(const struct connection *made, const char *address)
{
    char bytes[16];
    CHECK(recv(made->far, bytes, sizeof bytes, 0) == 6 && memcmp(bytes, "unread", 6) == 0, "%s: what was unread is gone", address);
    CHECK(write(made->far, "back", 4) == 4 && recv(made->near, bytes, 4, MSG_WAITALL) == 4, "%s: nothing comes back", address);
    struct sockaddr_in name;
    socklen_t length = sizeof name;
    MUST(getsockname(made->listener, (struct sockaddr *)&name, &length));
    int next = MUST(socket(AF_INET, SOCK_STREAM, 0));
    CHECK(connect(next, (struct sockaddr *)&name, sizeof name) == 0, "%s: connect: %s", address, strerror(errno));
    close(MUST(accept(made->listener, NULL, NULL)));
    close(next);
}

void network(int argc, char **argv)
{
    struct connection made[most_addresses];
    int looked_at = view_count;
    if (argc > 1 && strcmp(argv[1], "common") == 0) {
        looked_at = common_views;
        argc--;
        argv++;
    }
    CHECK(argc <= most_addresses, "usage: network [common] [ADDRESS…]");
    for (int i = 1; i < argc; i++) made[i - 1] = connect_over(argv[i]);

    struct sockaddr_un own = {.sun_family = AF_UNIX, .sun_path = "\0crplan-network"};
    socklen_t own_length = offsetof(struct sockaddr_un, sun_path) + 15;
    int server = MUST(socket(AF_UNIX, SOCK_STREAM, 0)), client = MUST(socket(AF_UNIX, SOCK_STREAM, 0));
    MUST(bind(server, (struct sockaddr *)&own, own_length));
    MUST(listen(server, 5));
    MUST(connect(client, (struct sockaddr *)&own, own_length));
    int served = MUST(accept(server, NULL, NULL));

    for (int i = 0; i < looked_at; i++) before[i] = view(commands[i]);
    char now[4];

    subject_ready();
    subject_await_check();

    for (int i = 1; i < argc; i++) check_connection(&made[i - 1], argv[i]);
    CHECK(write(served, "x", 1) == 1 && read(client, now, 1) == 1, "the connection of the abstract name is gone");
    int next = MUST(socket(AF_UNIX, SOCK_STREAM, 0));
    CHECK(connect(next, (struct sockaddr *)&own, own_length) == 0, "the abstract name is gone: %s", strerror(errno));
    for (int i = 0; i < looked_at; i++) {
        view_again(commands[i], before[i]);
    }
}

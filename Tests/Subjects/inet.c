#include "subject.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

// Sockets without a connection: what they are bound to, their options, their owner, and whether they still work.

// linux/icmp.h, which does not go together with netinet/ip_icmp.h
enum { icmp_filter = 1 };

struct option {
    int level, name, size;
    const char *text;
};

static const struct option options[] = {
    {SOL_SOCKET, SO_DOMAIN, 4, "SO_DOMAIN"},        {SOL_SOCKET, SO_TYPE, 4, "SO_TYPE"},
    {SOL_SOCKET, SO_PROTOCOL, 4, "SO_PROTOCOL"},    {SOL_SOCKET, SO_ACCEPTCONN, 4, "SO_ACCEPTCONN"},
    {SOL_SOCKET, SO_REUSEADDR, 4, "SO_REUSEADDR"},  {SOL_SOCKET, SO_REUSEPORT, 4, "SO_REUSEPORT"},
    {SOL_SOCKET, SO_SNDBUF, 4, "SO_SNDBUF"},        {SOL_SOCKET, SO_RCVBUF, 4, "SO_RCVBUF"},
    {SOL_SOCKET, 72, 4, "SO_BUF_LOCK"},             {SOL_SOCKET, SO_KEEPALIVE, 4, "SO_KEEPALIVE"},
    {SOL_SOCKET, SO_BROADCAST, 4, "SO_BROADCAST"},  {SOL_SOCKET, SO_OOBINLINE, 4, "SO_OOBINLINE"},
    {SOL_SOCKET, SO_PRIORITY, 4, "SO_PRIORITY"},    {SOL_SOCKET, SO_MARK, 4, "SO_MARK"},
    {SOL_SOCKET, SO_RCVLOWAT, 4, "SO_RCVLOWAT"},    {SOL_SOCKET, SO_DONTROUTE, 4, "SO_DONTROUTE"},
    {SOL_SOCKET, SO_LINGER, 8, "SO_LINGER"},        {SOL_SOCKET, SO_RCVTIMEO, 16, "SO_RCVTIMEO"},
    {SOL_SOCKET, SO_SNDTIMEO, 16, "SO_SNDTIMEO"},   {SOL_SOCKET, SO_BINDTODEVICE, 16, "SO_BINDTODEVICE"},
    {SOL_SOCKET, SO_TIMESTAMP, 4, "SO_TIMESTAMP"},  {SOL_SOCKET, SO_LOCK_FILTER, 4, "SO_LOCK_FILTER"},
    {SOL_SOCKET, SO_NO_CHECK, 4, "SO_NO_CHECK"},    {SOL_SOCKET, SO_PEEK_OFF, 4, "SO_PEEK_OFF"},
    {IPPROTO_IP, IP_TOS, 4, "IP_TOS"},              {IPPROTO_IP, IP_TTL, 4, "IP_TTL"},
    {IPPROTO_IP, IP_FREEBIND, 4, "IP_FREEBIND"},    {IPPROTO_IP, IP_PKTINFO, 4, "IP_PKTINFO"},
    {IPPROTO_IP, IP_RECVTTL, 4, "IP_RECVTTL"},      {IPPROTO_IP, IP_MTU_DISCOVER, 4, "IP_MTU_DISCOVER"},
    {IPPROTO_IP, IP_MULTICAST_TTL, 4, "IP_MULTICAST_TTL"}, {IPPROTO_IP, IP_HDRINCL, 4, "IP_HDRINCL"},
    {IPPROTO_IP, IP_MULTICAST_LOOP, 4, "IP_MULTICAST_LOOP"},
    {IPPROTO_IPV6, IPV6_V6ONLY, 4, "IPV6_V6ONLY"},  {IPPROTO_IPV6, IPV6_TCLASS, 4, "IPV6_TCLASS"},
    {IPPROTO_IPV6, IPV6_RECVPKTINFO, 4, "IPV6_RECVPKTINFO"},
    {IPPROTO_IPV6, IPV6_UNICAST_HOPS, 4, "IPV6_UNICAST_HOPS"},
    {IPPROTO_TCP, TCP_NODELAY, 4, "TCP_NODELAY"},   {IPPROTO_TCP, TCP_CORK, 4, "TCP_CORK"},
    {IPPROTO_TCP, TCP_KEEPIDLE, 4, "TCP_KEEPIDLE"}, {IPPROTO_TCP, TCP_KEEPINTVL, 4, "TCP_KEEPINTVL"},
    {IPPROTO_TCP, TCP_KEEPCNT, 4, "TCP_KEEPCNT"},   {IPPROTO_TCP, TCP_CONGESTION, 16, "TCP_CONGESTION"},
    {IPPROTO_TCP, TCP_USER_TIMEOUT, 4, "TCP_USER_TIMEOUT"}, {IPPROTO_TCP, TCP_SYNCNT, 4, "TCP_SYNCNT"},
    {IPPROTO_TCP, TCP_DEFER_ACCEPT, 4, "TCP_DEFER_ACCEPT"}, {IPPROTO_TCP, TCP_MAXSEG, 4, "TCP_MAXSEG"},
    {IPPROTO_RAW, icmp_filter, 4, "ICMP_FILTER"},   {136, 10, 4, "UDPLITE_SEND_CSCOV"},
    {IPPROTO_UDP, 1, 4, "UDP_CORK"},                {IPPROTO_UDP, 100, 4, "UDP_ENCAP"},
    {136, 11, 4, "UDPLITE_RECV_CSCOV"},             {SOL_PACKET, PACKET_VERSION, 4, "PACKET_VERSION"},
    {SOL_PACKET, PACKET_AUXDATA, 4, "PACKET_AUXDATA"}, {SOL_PACKET, PACKET_RESERVE, 4, "PACKET_RESERVE"},
    {SOL_PACKET, PACKET_ORIGDEV, 4, "PACKET_ORIGDEV"}, {SOL_PACKET, PACKET_FANOUT, 4, "PACKET_FANOUT"},
    {SOL_NETLINK, NETLINK_EXT_ACK, 4, "NETLINK_EXT_ACK"},
    {SOL_NETLINK, NETLINK_PKTINFO, 4, "NETLINK_PKTINFO"},
    {SOL_NETLINK, NETLINK_LIST_MEMBERSHIPS, 64, "NETLINK_LIST_MEMBERSHIPS"},
};
enum { option_count = sizeof options / sizeof options[0], most_sockets = 24 };

struct look {
    unsigned char values[option_count][64];
    int results[option_count], flags, has_peer;
    struct sockaddr_storage local, remote;
    struct sock_filter filter[16];
    int filter_length;
    uid_t owner;
};
static struct look before[most_sockets];
static int sockets[most_sockets], count;
static const char *names[most_sockets];

static int keep(int fd, const char *name)
{
    CHECK(count < most_sockets, "too many sockets");
    names[count] = name;
    sockets[count++] = fd;
    return fd;
}

static void look_at(int fd, struct look *look)
{
    memset(look, 0, sizeof *look);
    for (int i = 0; i < option_count; i++) {
        socklen_t length = options[i].size;
        look->results[i] = getsockopt(fd, options[i].level, options[i].name, look->values[i], &length);
    }
    socklen_t length = sizeof look->local;
    MUST(getsockname(fd, (struct sockaddr *)&look->local, &length));
    length = sizeof look->remote;
    look->has_peer = getpeername(fd, (struct sockaddr *)&look->remote, &length) == 0;
    look->flags = MUST(fcntl(fd, F_GETFL));
    length = 16;
    look->filter_length = getsockopt(fd, SOL_SOCKET, SO_GET_FILTER, look->filter, &length) ? -errno : (int)length;
    struct stat status;
    MUST(fstat(fd, &status));
    look->owner = status.st_uid;
}

static void check_all(void)
{
    static struct look now;
    for (int i = 0; i < count; i++) {
        look_at(sockets[i], &now);
        for (int k = 0; k < option_count; k++) {
            CHECK(now.results[k] == before[i].results[k], "%s: %s is there %d, not %d", names[i], options[k].text,
                  now.results[k], before[i].results[k]);
            CHECK(memcmp(now.values[k], before[i].values[k], options[k].size) == 0, "%s: %s is %d, not %d", names[i],
                  options[k].text, *(int *)now.values[k], *(int *)before[i].values[k]);
        }
        CHECK(memcmp(&now.local, &before[i].local, sizeof now.local) == 0, "%s: the address changed", names[i]);
        CHECK(now.has_peer == before[i].has_peer && memcmp(&now.remote, &before[i].remote, sizeof now.remote) == 0,
              "%s: the peer changed", names[i]);
        CHECK(now.flags == before[i].flags, "%s: flags are 0%o, not 0%o", names[i], now.flags, before[i].flags);
        CHECK(now.filter_length == before[i].filter_length &&
                  memcmp(now.filter, before[i].filter, sizeof now.filter) == 0,
              "%s: the filter changed", names[i]);
        CHECK(now.owner == before[i].owner, "%s: owner %d, not %d", names[i], now.owner, before[i].owner);
    }
}

// Without it: only what CRIU's images have a place for.
static bool all = true;

static void set(int fd, int level, int name, int value) { MUST(setsockopt(fd, level, name, &value, sizeof value)); }

static struct sockaddr_in *loopback(int port)
{
    static struct sockaddr_in address;
    address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    address.sin_port = port;
    return &address;
}

static struct sockaddr_in6 *six(struct in6_addr host, int port)
{
    static struct sockaddr_in6 address;
    address = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_addr = host, .sin6_port = port};
    return &address;
}

static int port_of(int fd)
{
    struct sockaddr_in6 address;
    socklen_t length = sizeof address;
    MUST(getsockname(fd, (struct sockaddr *)&address, &length));
    return address.sin6_port;
}

static int bound4(int type, int protocol)
{
    int fd = MUST(socket(AF_INET, type, protocol));
    MUST(bind(fd, (struct sockaddr *)loopback(0), sizeof(struct sockaddr_in)));
    return fd;
}

// A client connects, and the server answers it.
static void serve(int listener, struct sockaddr *address, socklen_t length, const char *name)
{
    int client = MUST(socket(address->sa_family, SOCK_STREAM, 0));
    CHECK(connect(client, address, length) == 0, "connecting to %s: %s", name, strerror(errno));
    int server = MUST(accept(listener, NULL, NULL));
    char byte = 0;
    CHECK(write(client, "x", 1) == 1 && read(server, &byte, 1) == 1 && byte == 'x', "%s does not serve", name);
    close(server);
    close(client);
}

static void exchange(int from, int to, struct sockaddr *address, socklen_t length, const char *name)
{
    char text[8] = "";
    CHECK(sendto(from, "hello", 6, 0, address, length) == 6, "%s: sending: %s", name, strerror(errno));
    struct pollfd wait = {.fd = to, .events = POLLIN};
    CHECK(poll(&wait, 1, 5000) == 1 && recv(to, text, sizeof text, 0) == 6 && strcmp(text, "hello") == 0,
          "%s: nothing comes in", name);
}

void inet(int argc, char **argv)
{
    all = argc < 2 || strcmp(argv[1], "common") != 0;
    int four = keep(MUST(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0)), "listener of IPv4");
    MUST(bind(four, (struct sockaddr *)loopback(0), sizeof(struct sockaddr_in)));
    set(four, SOL_SOCKET, SO_RCVBUF, 40000);
    set(four, SOL_SOCKET, SO_KEEPALIVE, 1);
    set(four, IPPROTO_TCP, TCP_KEEPIDLE, 77);
    set(four, IPPROTO_TCP, TCP_KEEPCNT, 5);
    set(four, IPPROTO_TCP, TCP_NODELAY, 1);
    if (all) set(four, IPPROTO_TCP, TCP_USER_TIMEOUT, 12345);
    if (all) MUST(setsockopt(four, IPPROTO_TCP, TCP_CONGESTION, "reno", 4));
    MUST(listen(four, 7));

    int dual = keep(MUST(socket(AF_INET6, SOCK_STREAM, 0)), "listener of both");
    set(dual, IPPROTO_IPV6, IPV6_V6ONLY, 0);
    MUST(bind(dual, (struct sockaddr *)six(in6addr_any, 0), sizeof(struct sockaddr_in6)));
    MUST(listen(dual, 128));
    int only = keep(MUST(socket(AF_INET6, SOCK_STREAM, 0)), "listener of IPv6");
    set(only, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    if (all) set(only, IPPROTO_IPV6, IPV6_TCLASS, 0x20);
    set(only, SOL_SOCKET, SO_REUSEADDR, 1);
    MUST(bind(only, (struct sockaddr *)six(in6addr_loopback, 0), sizeof(struct sockaddr_in6)));
    MUST(listen(only, 1));
    // Two that share a port.
    int shared[2];
    for (int i = 0, port = 0; i < 2; i++) {
        shared[i] = keep(MUST(socket(AF_INET, SOCK_STREAM, 0)), "listener that shares its port");
        set(shared[i], SOL_SOCKET, SO_REUSEPORT, 1);
        MUST(bind(shared[i], (struct sockaddr *)loopback(port), sizeof(struct sockaddr_in)));
        MUST(listen(shared[i], 3));
        port = port_of(shared[i]);
    }
    int bound_device = keep(MUST(socket(AF_INET, SOCK_STREAM, 0)), "listener of a device");
    MUST(setsockopt(bound_device, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3));
    MUST(bind(bound_device, (struct sockaddr *)loopback(0), sizeof(struct sockaddr_in)));
    MUST(listen(bound_device, 3));
    int idle = keep(MUST(socket(AF_INET, SOCK_STREAM, 0)), "idle tcp");
    set(idle, IPPROTO_TCP, TCP_CORK, 1);
    set(idle, SOL_SOCKET, SO_PRIORITY, 4);
    set(idle, SOL_SOCKET, SO_MARK, 99);
    struct linger linger = {1, 33};
    MUST(setsockopt(idle, SOL_SOCKET, SO_LINGER, &linger, sizeof linger));
    struct timeval time = {5, 250000};
    MUST(setsockopt(idle, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time));
    if (all && geteuid() == 0) MUST(fchown(idle, 1234, 1234));
    int bound = keep(bound4(SOCK_STREAM, 0), "bound tcp");
    if (all) set(bound, IPPROTO_TCP, TCP_MAXSEG, 1000);

    int udp = keep(bound4(SOCK_DGRAM | SOCK_NONBLOCK, 0), "bound udp");
    set(udp, SOL_SOCKET, SO_BROADCAST, 1);
    set(udp, IPPROTO_IP, IP_PKTINFO, 1);
    if (all) set(udp, IPPROTO_IP, IP_RECVTTL, 1);
    set(udp, IPPROTO_IP, IP_TTL, 42);
    set(udp, IPPROTO_IP, IP_TOS, 0x10);
    if (all) set(udp, IPPROTO_IP, IP_MULTICAST_TTL, 9);
    if (all) set(udp, SOL_SOCKET, SO_TIMESTAMP, 1);
    // Takes everything that is at least 4 bytes long.
    struct sock_filter code[] = {{BPF_LD | BPF_W | BPF_LEN, 0, 0, 0}, {BPF_JMP | BPF_JGE | BPF_K, 0, 1, 12},
                                 {BPF_RET | BPF_K, 0, 0, 0xffff}, {BPF_RET | BPF_K, 0, 0, 0}};
    struct sock_fprog program = {4, code};
    MUST(setsockopt(udp, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program));
    if (all) set(udp, SOL_SOCKET, SO_LOCK_FILTER, 1);
    int pair = keep(bound4(SOCK_DGRAM, 0), "connected udp");
    MUST(connect(pair, (struct sockaddr *)loopback(port_of(udp)), sizeof(struct sockaddr_in)));
    keep(MUST(socket(AF_INET6, SOCK_DGRAM, 0)), "idle udp of IPv6");
    // Corked with nothing behind it, and for IPsec (UDP_ENCAP_ESPINUDP).
    int corked = keep(MUST(socket(AF_INET, SOCK_DGRAM, 0)), "corked udp");
    if (all) set(corked, IPPROTO_UDP, 1, 1);
    if (all) set(corked, IPPROTO_UDP, 100, 2);
    int group = keep(MUST(socket(AF_INET, SOCK_DGRAM, 0)), "member of a group");
    struct ip_mreqn join = {{htonl(0xe0000142)}, {htonl(INADDR_LOOPBACK)}, (int)if_nametoindex("lo")};
    if (all) MUST(setsockopt(group, IPPROTO_IP, IP_ADD_MEMBERSHIP, &join, sizeof join));
    int lite = socket(AF_INET, SOCK_DGRAM, IPPROTO_UDPLITE);
    if (lite >= 0) {
        keep(lite, "udp-lite");
        if (all) set(lite, 136, 10, 20);
        MUST(bind(lite, (struct sockaddr *)loopback(0), sizeof(struct sockaddr_in)));
    }
    int raw = keep(MUST(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP)), "raw");
    int filter = 1 << ICMP_ECHO;
    MUST(setsockopt(raw, SOL_RAW, icmp_filter, &filter, sizeof filter));
    MUST(bind(raw, (struct sockaddr *)loopback(0), sizeof(struct sockaddr_in)));
    keep(MUST(socket(AF_INET6, SOCK_RAW, 253)), "raw of IPv6");
    for (int i = 0; i < count; i++) look_at(sockets[i], &before[i]);

    subject_ready();
    subject_await_check();

    check_all();
    serve(four, (struct sockaddr *)loopback(port_of(four)), sizeof(struct sockaddr_in), "the listener of IPv4");
    serve(dual, (struct sockaddr *)loopback(port_of(dual)), sizeof(struct sockaddr_in), "the listener of both");
    serve(only, (struct sockaddr *)six(in6addr_loopback, port_of(only)), sizeof(struct sockaddr_in6),
          "the listener of IPv6");
    MUST(listen(bound, 1));
    serve(bound, (struct sockaddr *)loopback(port_of(bound)), sizeof(struct sockaddr_in), "the bound socket");
    exchange(pair, udp, NULL, 0, "connected udp");
    int stranger = MUST(socket(AF_INET, SOCK_DGRAM, 0));
    exchange(stranger, udp, (struct sockaddr *)loopback(port_of(udp)), sizeof(struct sockaddr_in), "bound udp");
    CHECK(sendto(stranger, "x", 1, 0, (struct sockaddr *)loopback(port_of(udp)), sizeof(struct sockaddr_in)) == 1 &&
              recv(udp, &filter, 1, 0) == -1 && errno == EAGAIN, "the filter lets a short datagram in");
    CHECK(!all || setsockopt(group, IPPROTO_IP, IP_DROP_MEMBERSHIP, &join, sizeof join) == 0, "the group was left: %s",
          strerror(errno));
}

void link_sockets(int argc, char **argv)
{
    all = argc < 2 || strcmp(argv[1], "common") != 0;
    int lo = (int)if_nametoindex("lo");
    int packet = keep(MUST(socket(AF_PACKET, SOCK_RAW, 0)), "packet");
    set(packet, SOL_PACKET, PACKET_AUXDATA, 1);
    set(packet, SOL_PACKET, PACKET_ORIGDEV, 1);
    set(packet, SOL_PACKET, PACKET_VERSION, TPACKET_V2);
    set(packet, SOL_PACKET, PACKET_RESERVE, 32);
    struct sock_filter code[] = {{BPF_RET | BPF_K, 0, 0, 0}};
    struct sock_fprog program = {1, code};
    MUST(setsockopt(packet, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program));
    struct sockaddr_ll link = {.sll_family = AF_PACKET, .sll_protocol = htons(0x88b5), .sll_ifindex = lo};
    MUST(bind(packet, (struct sockaddr *)&link, sizeof link));
    struct packet_mreq many = {.mr_ifindex = lo, .mr_type = PACKET_MR_ALLMULTI};
    MUST(setsockopt(packet, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &many, sizeof many));
    keep(MUST(socket(AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK, 0)), "idle packet");

    int route = keep(MUST(socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE)), "netlink");
    if (all) set(route, SOL_NETLINK, NETLINK_EXT_ACK, 1);
    struct sockaddr_nl bound = {.nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK};
    MUST(bind(route, (struct sockaddr *)&bound, sizeof bound));
    set(route, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, RTNLGRP_NSID);
    keep(MUST(socket(AF_NETLINK, SOCK_RAW, NETLINK_KOBJECT_UEVENT)), "idle netlink");
    for (int i = 0; i < count; i++) look_at(sockets[i], &before[i]);

    subject_ready();
    subject_await_check();

    check_all();
    CHECK(setsockopt(packet, SOL_PACKET, PACKET_DROP_MEMBERSHIP, &many, sizeof many) == 0, "a membership is gone: %s",
          strerror(errno));
    struct { struct nlmsghdr head; struct ifinfomsg body; } ask = {
        {.nlmsg_len = sizeof ask, .nlmsg_type = RTM_GETLINK, .nlmsg_flags = NLM_F_REQUEST, .nlmsg_seq = 7},
        {.ifi_index = lo}};
    char answer[8192];
    CHECK(send(route, &ask, sizeof ask, 0) == sizeof ask, "asking: %s", strerror(errno));
    CHECK(recv(route, answer, sizeof answer, 0) > 0 && ((struct nlmsghdr *)answer)->nlmsg_type == RTM_NEWLINK,
          "no answer of the kernel");
}

/* What a container's start costs at least: the kernel calls that the launcher, its child and the network make for
 * `docker run busybox true` on a bridge, in the same order, by a C program that does nothing else.
 *
 *     floor ROUNDS BASE BRIDGE SECCOMP CGROUP
 *
 * BASE holds the directories busybox (the image), own/upper, own/work, own/target and the files hostname, hosts and
 * resolv.conf. BRIDGE is the index of the bridge (0 = no network), SECCOMP a file with the filter's instructions. CGROUP
 * exists in every hierarchy. Prints the nanoseconds of each round, from the first call to execve(2) and to the end of
 * the process. Not here: the device filter of cgroup v2. Tidying up between rounds is not counted.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/mount.h>
#include <linux/netlink.h>
#include <linux/openat2.h>
#include <linux/rtnetlink.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <linux/veth.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MNT_DETACH 2
extern int mount(const char *, const char *, const char *, unsigned long, const void *);
extern int umount2(const char *, int);

static const char *base, *group;
static int bridge, unified;
static uint64_t *ended;
static struct sock_fprog filter;

static const char *const V1[] = {"cpu", "cpuacct", "memory", "devices", "freezer", "blkio", "pids"};
static const char *const RULES[][2] = {
    {"deny", "a"}, {"allow", "c *:* m"}, {"allow", "b *:* m"}, {"allow", "c 1:3 rwm"}, {"allow", "c 1:5 rwm"},
    {"allow", "c 1:7 rwm"}, {"allow", "c 1:8 rwm"}, {"allow", "c 1:9 rwm"}, {"allow", "c 5:0 rwm"},
    {"allow", "c 5:1 rwm"}, {"allow", "c 5:2 rwm"}, {"allow", "c 136:* rwm"},
};
static const char *const READ_ONLY[] = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"};
static const char *const MASKED[] = {"/proc/asound", "/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
    "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware",
    "/sys/devices/virtual/powercap"};
static const uint64_t KEPT = 0xa80425fb; /* Docker's fourteen capabilities */

#define COUNT(list) (sizeof(list) / sizeof *(list))

static void fail(const char *what) { perror(what); _exit(1); }
static int must(int result, const char *what) { if (result < 0) fail(what); return result; }

static uint64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void put(const char *path, const char *text)
{
    int fd = must(open(path, O_WRONLY | O_CLOEXEC), path);
    if (write(fd, text, strlen(text)) < 0) fail(path);
    close(fd);
}

/* netlink ---------------------------------------------------------------------------------------------------------- */
struct message { struct nlmsghdr head; char body[1000]; };

static void *begin(struct message *m, int type, int flags, size_t size)
{
    memset(m, 0, sizeof *m);
    m->head = (struct nlmsghdr){.nlmsg_len = NLMSG_LENGTH(size), .nlmsg_type = (uint16_t)type,
                                .nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags)};
    return NLMSG_DATA(&m->head);
}

static struct rtattr *add(struct message *m, int type, const void *value, size_t size)
{
    struct rtattr *a = (void *)((char *)m + NLMSG_ALIGN(m->head.nlmsg_len));
    a->rta_type = (uint16_t)type;
    a->rta_len = (uint16_t)RTA_LENGTH(size);
    if (size) memcpy(RTA_DATA(a), value, size);
    m->head.nlmsg_len = NLMSG_ALIGN(m->head.nlmsg_len) + RTA_ALIGN(a->rta_len);
    return a;
}

static void finish(struct message *m, struct rtattr *a)
{
    a->rta_len = (uint16_t)((char *)m + m->head.nlmsg_len - (char *)a);
}

static int ask(int fd, struct message *m)
{
    static char reply[65536];
    if (send(fd, m, m->head.nlmsg_len, 0) < 0) fail("netlink send");
    if (recv(fd, reply, sizeof reply, 0) < 0) fail("netlink recv");
    struct nlmsghdr *head = (void *)reply;
    if (head->nlmsg_type != NLMSG_ERROR) return ((struct ifinfomsg *)NLMSG_DATA(head))->ifi_index;
    struct nlmsgerr *error = NLMSG_DATA(head);
    if (error->error) { errno = -error->error; fail("netlink"); }
    return 0;
}

static void link_up(int fd, int index)
{
    struct message m;
    struct ifinfomsg *info = begin(&m, RTM_NEWLINK, 0, sizeof *info);
    info->ifi_index = index;
    info->ifi_flags = info->ifi_change = 1;
    ask(fd, &m);
}

static void plug(int host, int inside, pid_t pid, unsigned number)
{
    struct message m;
    char name[16];
    uint32_t one = 1;
    snprintf(name, sizeof name, "floor%u", number);
    struct ifinfomsg *info = begin(&m, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, sizeof *info);
    info->ifi_flags = info->ifi_change = 1;
    add(&m, IFLA_IFNAME, name, strlen(name) + 1);
    add(&m, IFLA_NUM_TX_QUEUES, &one, 4);
    add(&m, IFLA_NUM_RX_QUEUES, &one, 4);
    add(&m, IFLA_MASTER, &bridge, 4);
    struct rtattr *about = add(&m, IFLA_LINKINFO, "", 0);
    add(&m, IFLA_INFO_KIND, "veth", 5);
    struct rtattr *data = add(&m, IFLA_INFO_DATA, "", 0), *peer = add(&m, VETH_INFO_PEER, "", 0);
    m.head.nlmsg_len += sizeof *info;
    add(&m, IFLA_IFNAME, "eth0", 5);
    add(&m, IFLA_NUM_TX_QUEUES, &one, 4);
    add(&m, IFLA_NUM_RX_QUEUES, &one, 4);
    unsigned char mac[6] = {2, 0x42, 0xac, 0x1f, 0xff, 2};
    add(&m, IFLA_ADDRESS, mac, 6);
    add(&m, IFLA_NET_NS_PID, &pid, 4);
    finish(&m, peer);
    finish(&m, data);
    finish(&m, about);
    ask(host, &m);

    link_up(inside, 1);
    info = begin(&m, RTM_GETLINK, 0, sizeof *info);
    m.head.nlmsg_flags = NLM_F_REQUEST;
    add(&m, IFLA_IFNAME, "eth0", 5);
    int index = ask(inside, &m);
    struct ifaddrmsg *address = begin(&m, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, sizeof *address);
    *address = (struct ifaddrmsg){.ifa_family = AF_INET, .ifa_prefixlen = 24, .ifa_index = (unsigned)index};
    uint32_t own = inet_addr("172.31.255.2"), all = inet_addr("172.31.255.255"), gateway = inet_addr("172.31.255.1");
    add(&m, IFA_LOCAL, &own, 4);
    add(&m, IFA_ADDRESS, &own, 4);
    add(&m, IFA_BROADCAST, &all, 4);
    ask(inside, &m);
    link_up(inside, index);
    struct rtmsg *route = begin(&m, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, sizeof *route);
    *route = (struct rtmsg){.rtm_family = AF_INET, .rtm_table = RT_TABLE_MAIN, .rtm_protocol = RTPROT_BOOT,
                            .rtm_scope = RT_SCOPE_UNIVERSE, .rtm_type = RTN_UNICAST};
    add(&m, RTA_GATEWAY, &gateway, 4);
    ask(inside, &m);
}

/* the child -------------------------------------------------------------------------------------------------------- */
static int inside_root(int root, const char *path, uint64_t flags)
{
    struct open_how how = {.flags = flags | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
    return (int)syscall(SYS_openat2, root, path, &how, sizeof how);
}

static int target(int root, const char *path)
{
    int fd = inside_root(root, path, O_PATH | O_DIRECTORY);
    if (fd >= 0) return fd;
    must(mkdirat(root, path + 1, 0755), path);
    return must(inside_root(root, path, O_PATH | O_DIRECTORY), path);
}

static void standard(int root, const char *type, const char *place, unsigned long flags, const char *data)
{
    int fd = target(root, place);
    must(fchdir(fd), place);
    must(mount(type, ".", type, flags, data), place);
    close(fd);
}

static void attach(int tree, int fd, uint64_t set)
{
    struct mount_attr attributes = {.attr_set = set, .propagation = MS_PRIVATE};
    must((int)syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attributes, sizeof attributes), "mount_setattr");
    must((int)syscall(SYS_move_mount, tree, "", fd, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH), "move_mount");
    close(tree);
}

static int copy_of(int fd, const char *path, unsigned more)
{
    return must((int)syscall(SYS_open_tree, fd, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | more), "open_tree");
}

static void groups(void)
{
    char path[300];
    if (unified) return;
    for (size_t i = 0; i < COUNT(V1); i++) {
        snprintf(path, sizeof path, "/sys/fs/cgroup/%s/%s/own", V1[i], group);
        must(mkdir(path, 0755), path);
    }
    for (size_t i = 0; i < COUNT(RULES); i++) {
        snprintf(path, sizeof path, "/sys/fs/cgroup/devices/%s/own/devices.%s", group, RULES[i][0]);
        put(path, RULES[i][1]);
    }
    for (size_t i = 0; i < COUNT(V1); i++) {
        snprintf(path, sizeof path, "/sys/fs/cgroup/%s/%s/own/tasks", V1[i], group);
        put(path, "0");
    }
}

static void make_root(void)
{
    static const char *const files[] = {"hostname", "hosts", "resolv.conf"};
    int trees[COUNT(files)];
    char text[1000];
    for (size_t i = 0; i < COUNT(files); i++) {
        snprintf(text, sizeof text, "%s/%s", base, files[i]);
        trees[i] = copy_of(AT_FDCWD, text, AT_RECURSIVE);
    }
    must(mount("none", "/", "", MS_REC | MS_SLAVE, 0), "slave");
    must(chdir(base), base);
    must(mount("overlay", "own/target", "overlay", 0,
               "lowerdir=busybox,upperdir=own/upper,workdir=own/work,redirect_dir=off,metacopy=off,index=off"), "overlay");
    int root = must(open("own/target", O_PATH | O_DIRECTORY | O_CLOEXEC), "target");
    unsigned long nothing = MS_NOSUID | MS_NODEV | MS_NOEXEC;
    standard(root, "proc", "/proc", nothing, 0);
    standard(root, "sysfs", "/sys", nothing | MS_RDONLY, 0);
    standard(root, "tmpfs", "/dev", MS_NOSUID | MS_STRICTATIME, "mode=755,size=65536k");
    standard(root, "devpts", "/dev/pts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5");
    standard(root, "mqueue", "/dev/mqueue", nothing, 0);
    standard(root, "tmpfs", "/dev/shm", nothing, "mode=1777,size=67108864");
    if (unified) {
        standard(root, "cgroup2", "/sys/fs/cgroup", nothing | MS_RDONLY, 0);
    } else {
        standard(root, "tmpfs", "/sys/fs/cgroup", nothing, "mode=755");
        for (size_t i = 0; i < COUNT(V1); i++) {
            snprintf(text, sizeof text, "/sys/fs/cgroup/%s", V1[i]);
            int fd = target(root, text);
            must(fchdir(fd), text);
            must(mount("cgroup", ".", "cgroup", nothing | MS_RDONLY, V1[i]), text);
            close(fd);
        }
        int fd = must(inside_root(root, "/sys/fs/cgroup", O_PATH), "cgroup");
        struct mount_attr read_only = {.attr_set = MOUNT_ATTR_RDONLY};
        must((int)syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH, &read_only, sizeof read_only), "read-only");
        close(fd);
    }
    static const struct { const char *name; unsigned major, minor; } nodes[] = {
        {"null", 1, 3}, {"zero", 1, 5}, {"full", 1, 7}, {"random", 1, 8}, {"urandom", 1, 9}, {"tty", 5, 0}};
    static const char *const links[][2] = {{"fd", "/proc/self/fd"}, {"stdin", "/proc/self/fd/0"},
        {"stdout", "/proc/self/fd/1"}, {"stderr", "/proc/self/fd/2"}, {"ptmx", "pts/ptmx"}};
    int dev = must(inside_root(root, "/dev", O_PATH | O_DIRECTORY), "/dev");
    for (size_t i = 0; i < COUNT(nodes); i++)
        must(mknodat(dev, nodes[i].name, S_IFCHR | 0666, makedev(nodes[i].major, nodes[i].minor)), nodes[i].name);
    for (size_t i = 0; i < COUNT(links); i++) must(symlinkat(links[i][1], dev, links[i][0]), links[i][0]);
    close(dev);
    for (size_t i = 0; i < COUNT(files); i++) {
        snprintf(text, sizeof text, "/etc/%s", files[i]);
        int fd = inside_root(root, text, O_PATH);
        if (fd < 0) {
            int etc = must(inside_root(root, "/etc", O_PATH | O_DIRECTORY), "/etc");
            close(must(openat(etc, files[i], O_CREAT | O_EXCL | O_CLOEXEC | O_WRONLY, 0644), text));
            close(etc);
            fd = must(inside_root(root, text, O_PATH), text);
        }
        attach(trees[i], fd, 0);
        close(fd);
    }
    for (size_t i = 0; i < COUNT(READ_ONLY); i++) {
        int fd = inside_root(root, READ_ONLY[i], O_PATH);
        if (fd < 0) continue;
        attach(copy_of(fd, "", AT_EMPTY_PATH | AT_RECURSIVE), fd, MOUNT_ATTR_RDONLY);
        close(fd);
    }
    int null = must(inside_root(root, "/dev/null", O_PATH), "null");
    for (size_t i = 0; i < COUNT(MASKED); i++) {
        struct stat status;
        int fd = inside_root(root, MASKED[i], O_PATH);
        if (fd < 0) continue;
        must(fstat(fd, &status), MASKED[i]);
        if (S_ISDIR(status.st_mode)) {
            must(fchdir(fd), MASKED[i]);
            must(mount("tmpfs", ".", "tmpfs", MS_RDONLY, 0), MASKED[i]);
        } else {
            int tree = copy_of(null, "", AT_EMPTY_PATH);
            must((int)syscall(SYS_move_mount, tree, "", fd, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH), MASKED[i]);
            close(tree);
        }
        close(fd);
    }
    close(null);
    must(fchdir(root), "root");
    must((int)syscall(SYS_pivot_root, ".", "."), "pivot_root");
    must(umount2(".", MNT_DETACH), "umount2");
    must(chdir("/"), "/");
    close(root);
}

static void give_up_rights(void)
{
    for (int bit = 0; bit <= CAP_LAST_CAP; bit++)
        if (!(KEPT >> bit & 1)) prctl(PR_CAPBSET_DROP, bit, 0, 0, 0);
    must((int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter), "seccomp");
    gid_t root = 0;
    must(setgroups(1, &root), "setgroups");
    must((int)syscall(SYS_setresgid, 0, 0, 0), "setresgid");
    must((int)syscall(SYS_setresuid, 0, 0, 0), "setresuid");
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct rights[2] = {{.effective = (uint32_t)KEPT, .permitted = (uint32_t)KEPT}};
    must((int)syscall(SYS_capset, &head, rights), "capset");
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
}

static void child(int channel)
{
    setsid();
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    umask(0);
    if (channel > 3) syscall(SYS_close_range, 3, channel - 1, 0);
    syscall(SYS_close_range, channel + 1, ~0u, 0);
    groups();
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    setrlimit(RLIMIT_NOFILE, &files);
    must(unshare(CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWCGROUP), "unshare");
    put("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0");
    put("/proc/sys/net/ipv4/ping_group_range", "0 2147483647");
    put("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1");
    int netlink = must(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0), "netlink");
    char space[CMSG_SPACE(sizeof(int))], word = '.';
    struct iovec data = {&word, 1};
    struct msghdr m = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof space};
    struct cmsghdr *right = CMSG_FIRSTHDR(&m);
    *right = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))};
    memcpy(CMSG_DATA(right), &netlink, sizeof netlink);
    if (sendmsg(channel, &m, 0) < 0) fail("created");
    close(netlink);
    make_root();
    must(sethostname("floor", 5), "sethostname");
    give_up_rights();
    if (read(channel, &word, 1) != 1) fail("go");
    syscall(SYS_close_range, 3, ~0u, 4 /* CLOSE_RANGE_CLOEXEC */);
    char *const words[] = {"true", 0}, *const environment[] = {"PATH=/bin", 0};
    *ended = now();
    execve("/bin/true", words, environment);
    fail("execve");
}

/* the launcher ----------------------------------------------------------------------------------------------------- */
static void one(int host, unsigned number)
{
    char path[300];
    int ends[2], pidfd = -1;
    uint64_t start = now();
    struct clone_args how = {.flags = CLONE_PIDFD | CLONE_NEWPID, .pidfd = (uint64_t)(uintptr_t)&pidfd, .exit_signal = SIGCHLD};
    if (unified) {
        snprintf(path, sizeof path, "/sys/fs/cgroup/%s/own", group);
        must(mkdir(path, 0755), path);
        how.flags |= CLONE_INTO_CGROUP;
        how.cgroup = (uint64_t)must(open(path, O_PATH | O_DIRECTORY | O_CLOEXEC), path);
    }
    must(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), "socketpair");
    pid_t pid = (pid_t)syscall(SYS_clone3, &how, sizeof how);
    must(pid, "clone3");
    if (pid == 0) child(ends[1]);
    close(ends[1]);
    if (unified) close((int)how.cgroup);
    char space[CMSG_SPACE(sizeof(int))], word;
    struct iovec data = {&word, 1};
    struct msghdr m = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof space};
    if (recvmsg(ends[0], &m, MSG_CMSG_CLOEXEC) != 1) fail("the child has not come so far");
    int inside;
    memcpy(&inside, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof inside);
    if (bridge) plug(host, inside, pid, number);
    else link_up(inside, 1);
    if (write(ends[0], ".", 1) != 1) fail("go");
    close(inside);
    int status;
    if (waitpid(pid, &status, 0) != pid || status) { fprintf(stderr, "the child ended with %x\n", status); exit(1); }
    close(ends[0]);
    close(pidfd);
    printf("%llu %llu\n", (unsigned long long)(*ended - start), (unsigned long long)(now() - start));
}

static void tidy(void)
{
    char path[300];
    for (size_t i = 0; i < (unified ? 1 : COUNT(V1)); i++) {
        snprintf(path, sizeof path, "/sys/fs/cgroup/%s%s%s/own", unified ? "" : V1[i], unified ? "" : "/", group);
        while (rmdir(path) && errno == EBUSY) usleep(1000);
    }
}

int main(int count, char **words)
{
    if (count != 6) { fprintf(stderr, "floor ROUNDS BASE BRIDGE SECCOMP CGROUP\n"); return 2; }
    int rounds = atoi(words[1]);
    base = words[2];
    bridge = atoi(words[3]);
    group = words[5];
    unified = access("/sys/fs/cgroup/cgroup.controllers", F_OK) == 0;
    int fd = must(open(words[4], O_RDONLY | O_CLOEXEC), words[4]);
    static struct sock_filter instructions[4096];
    ssize_t size = read(fd, instructions, sizeof instructions);
    filter = (struct sock_fprog){.len = (unsigned short)((size_t)size / sizeof *instructions), .filter = instructions};
    ended = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int host = must(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0), "netlink");
    for (int i = 0; i < rounds; i++) {
        one(host, (unsigned)(getpid() % 10000 * 1000 + i % 1000));
        tidy();
    }
    return 0;
}

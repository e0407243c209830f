#include "server/sandbox.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Not in Debian 12's header: ABI 2 and 3. */
#define LANDLOCK_REFER    (UINT64_C(1) << 13)
#define LANDLOCK_TRUNCATE (UINT64_C(1) << 14)

static const int forbidden[] = {
    SCMP_SYS(execve),
    SCMP_SYS(execveat),
    SCMP_SYS(fork),
    SCMP_SYS(vfork),
    SCMP_SYS(ptrace),
    SCMP_SYS(process_vm_readv),
    SCMP_SYS(process_vm_writev),
    SCMP_SYS(mount),
    SCMP_SYS(umount2),
    SCMP_SYS(pivot_root),
    SCMP_SYS(chroot),
    SCMP_SYS(unshare),
    SCMP_SYS(setns),
    SCMP_SYS(init_module),
    SCMP_SYS(finit_module),
    SCMP_SYS(delete_module),
    SCMP_SYS(kexec_load),
    SCMP_SYS(kexec_file_load),
    SCMP_SYS(reboot),
    SCMP_SYS(swapon),
    SCMP_SYS(swapoff),
    SCMP_SYS(bpf),
    SCMP_SYS(perf_event_open),
    SCMP_SYS(userfaultfd),
    SCMP_SYS(keyctl),
    SCMP_SYS(add_key),
    SCMP_SYS(request_key),
    SCMP_SYS(mknod),
    SCMP_SYS(mknodat),
    SCMP_SYS(settimeofday),
    SCMP_SYS(clock_settime),
    SCMP_SYS(sethostname),
    SCMP_SYS(io_uring_setup),
};

static bool forbid(scmp_filter_ctx filter)
{
    for (size_t i = 0; i < sizeof forbidden / sizeof *forbidden; i++)
        if (seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), forbidden[i], 0))
            return false;
    static const int families[] = {AF_PACKET, AF_NETLINK, AF_VSOCK, AF_ALG};
    for (size_t i = 0; i < sizeof families / sizeof *families; i++)
        if (seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(socket), 1,
                SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)families[i])))
            return false;
    return true;
}

static bool enter_seccomp(void)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    bool ok = filter && forbid(filter) && !seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1) &&
              !seccomp_load(filter);
    seccomp_release(filter);
    return ok;
}

/* Rights over files that this kernel's Landlock knows; 0: it has none. */
static uint64_t landlock_rights(void)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (abi < 1)
        return 0;
    uint64_t rights = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1; /* all of ABI 1 */
    if (abi >= 2)
        rights |= LANDLOCK_REFER;
    if (abi >= 3)
        rights |= LANDLOCK_TRUNCATE;
    return rights;
}

static bool enter_landlock(int data_dir)
{
    struct landlock_ruleset_attr attr = {.handled_access_fs = landlock_rights()};
    if (!attr.handled_access_fs)
        return true;
    long rules = syscall(SYS_landlock_create_ruleset, &attr, sizeof attr, 0);
    if (rules < 0)
        return false;
    struct landlock_path_beneath_attr beneath = {
        .allowed_access = attr.handled_access_fs & ~(uint64_t)LANDLOCK_ACCESS_FS_EXECUTE,
        .parent_fd = data_dir,
    };
    bool ok = !syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0) &&
              !syscall(SYS_landlock_restrict_self, rules, 0);
    close((int)rules);
    return ok;
}

bool sandbox_enter(int data_dir, char why[256])
{
#ifdef TASK_SANITIZED
    return true; /* the leak detector reads /proc and starts a process at exit */
#endif
    const char *step = "no_new_privs";
    if (!prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) {
        prctl(PR_SET_DUMPABLE, 0);
        step = "Landlock";
        if (enter_landlock(data_dir)) {
            step = "seccomp";
            if (enter_seccomp())
                return true;
        }
    }
    snprintf(why, 256, "%s: %s", step, strerror(errno));
    return false;
}

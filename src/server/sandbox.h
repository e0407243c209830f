/* What a worker that has been taken over could still do: nothing outside data_dir, no other
 * program. */
#pragma once
#include <stdbool.h>

/* After everything is open and warm. Landlock (where the kernel has it): files below data_dir only.
 * seccomp: no execve, ptrace, mount, module, namespace, raw or packet sockets; they fail with
 * EPERM. False: why; the caller decides. */
bool sandbox_enter(int data_dir, char why[256]);

// davit-guard: keeps the read end of a pipe open until its writer closes it.
//
// An Erlang VM that writes to an engine which has just died gets EPIPE. It then closes the port,
// and the exit status and the last frames are lost. This process holds the same pipe as its
// standard input, so that such a write succeeds. It reads nothing, prints nothing, and ends when
// the VM closes the port or ends itself.
#include <poll.h>
#include <unistd.h>

#include <cerrno>

int main() {
  // Whatever else was inherited is not to be kept open by this process.
  for (int descriptor = 1; descriptor < 256; ++descriptor) ::close(descriptor);
  // With no events asked for, poll tells only of the other end's closing, and of errors.
  pollfd pipe{STDIN_FILENO, 0, 0};
  while (::poll(&pipe, 1, -1) < 0 && errno == EINTR) {
  }
  return 0;
}

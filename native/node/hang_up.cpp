#include "node/hang_up.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <thread>

namespace davit::node {

void exit_on_hang_up(int descriptor, int milliseconds) {
  std::thread([descriptor, milliseconds] {
    // With no events asked for, poll tells only of the other end's closing, and of errors.
    pollfd watched{descriptor, 0, 0};
    while (::poll(&watched, 1, -1) < 0 && errno == EINTR) {
    }
    if ((watched.revents & POLLNVAL) != 0) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
    ::_exit(0);
  }).detach();
}

}  // namespace davit::node

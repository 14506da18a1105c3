// Ends the process when its peer is gone, also while the JavaScript thread is busy.
#pragma once

namespace davit::node {

// Watches a descriptor on a thread of its own. When the other end is closed, the process has
// `milliseconds` to end by itself; then it is ended with status 0.
void exit_on_hang_up(int descriptor, int milliseconds);

}  // namespace davit::node

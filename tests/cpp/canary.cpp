// Does wrong what the memory checkers must see. run.sh requires that each of these FAILS under each checker.
#include <cstring>

#include <weir/weir.hpp>

namespace {

// A handle that was given away and not freed.
void leak() {
  auto session = weir::Session::create();
  auto *volatile lost = session ? session->release() : nullptr;
  lost = nullptr;
  static_cast<void>(lost);
}

// A callback's memory, used after the operation was refused.
void use_after_free() {
  struct Callback {
    int *value = new int(1);
    Callback() = default;
    Callback(Callback &&other) noexcept : value(other.value) { other.value = nullptr; }
    ~Callback() { delete value; }
    void operator()(const weir::Result<void> &) const {}
  };
  Callback callback;
  const volatile int *value = callback.value;
  static_cast<void>(weir::Writer().close_async().then(std::move(callback)));
  if (*value == 7) std::abort();
}

}  // namespace

int main(int argc, char **argv) {
  const char *how = argc > 1 ? argv[1] : "";
  if (std::strcmp(how, "leak") == 0) leak();
  else if (std::strcmp(how, "use-after-free") == 0) use_after_free();
  else return 2;
  volatile char stack[4096];  // overwrites where a pointer to what was lost may still lie
  for (volatile char &byte : stack) byte = 0;
  return 0;
}

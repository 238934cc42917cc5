// Password hashes per second, by libsodium alone: as many threads as are asked for, each hashing all of the time.
#include <sodium.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "measure.h"

namespace {

constexpr char kPassword[] = "correct horse battery staple";

// One hash, as PHC strings hold it: 16 bytes of salt, 32 of hash.
bool Hash(unsigned long long passes, size_t memory) {
  unsigned char salt[crypto_pwhash_SALTBYTES], hash[32];
  randombytes_buf(salt, sizeof salt);
  return crypto_pwhash(hash, sizeof hash, kPassword, sizeof kPassword - 1, salt, passes, memory,
                       crypto_pwhash_ALG_ARGON2ID13) == 0;
}

}  // namespace

int main(int argc, char** argv) {
  int threads = 2, memory_mib = 19;
  unsigned long long passes = 2;
  double seconds = 2;
  CLI::App app("Measures bare crypto_pwhash.");
  app.add_option("--threads", threads, "At once")->capture_default_str();
  app.add_option("--memory", memory_mib, "MiB of each hash")->capture_default_str();
  app.add_option("--passes", passes, "Of each hash")->capture_default_str();
  app.add_option("--seconds", seconds, "For how long")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  if (sodium_init() < 0) return 1;
  std::atomic<int> done{0}, failed{0};
  const absl::Time begin = absl::Now(), end = begin + absl::Seconds(seconds);
  std::vector<std::thread> running;
  for (int i = 0; i < threads; ++i) {
    running.emplace_back([&] {
      while (absl::Now() < end) ++(Hash(passes, static_cast<size_t>(memory_mib) << 20) ? done : failed);
    });
  }
  for (std::thread& thread : running) thread.join();
  watchword::Print({{"per_second", done / absl::ToDoubleSeconds(absl::Now() - begin)}});
  return failed == 0 ? 0 : 1;
}

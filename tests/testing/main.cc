#include <openssl/crypto.h>

#include "gmock/gmock.h"

int main(int argc, char** argv) {
  // As in the programs: OpenSSL cleans up at exit although threads of gRPC may still use it. What such a thread then
  // leaves behind would count as a leak.
  OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, nullptr);
  testing::InitGoogleMock(&argc, argv);
  return RUN_ALL_TESTS();
}

#include <openssl/crypto.h>

#include "gmock/gmock.h"

int main(int argc, char** argv) {
  // A thread of gRPC that ends after OpenSSL has cleaned up at exit leaves its error state behind, which would count as
  // a leak.
  OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, nullptr);
  testing::InitGoogleMock(&argc, argv);
  return RUN_ALL_TESTS();
}

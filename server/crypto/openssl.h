#pragma once

#include <memory>

namespace watchword {

template <auto kFree>
struct OpenSslDeleter {
  template <typename T>
  void operator()(T* object) const {
    kFree(object);
  }
};

// Owns an OpenSSL object, which `kFree` frees.
template <typename T, auto kFree>
using OpenSslPtr = std::unique_ptr<T, OpenSslDeleter<kFree>>;

}  // namespace watchword

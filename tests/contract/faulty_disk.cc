#include "faulty_disk.h"

#include <atomic>

namespace watchword {
namespace {

std::atomic<int> write_error = SQLITE_OK;
std::atomic<int> good_writes_left = 0;
std::atomic<int> sync_error = SQLITE_OK;

sqlite3_vfs* real_vfs = nullptr;

// A file of the real disk, which lies behind it in memory.
struct File {
  sqlite3_file base;
  sqlite3_file* real;
};

sqlite3_file* Real(sqlite3_file* file) { return reinterpret_cast<File*>(file)->real; }

template <auto kMethod, typename... Args>
auto Forward(sqlite3_file* file, Args... args) {
  return (Real(file)->pMethods->*kMethod)(Real(file), args...);
}

int Write(sqlite3_file* file, const void* bytes, int size, sqlite3_int64 offset) {
  const int error = write_error;
  if (error != SQLITE_OK && good_writes_left-- <= 0) return error;
  return Forward<&sqlite3_io_methods::xWrite>(file, bytes, size, offset);
}

int Sync(sqlite3_file* file, int flags) {
  const int error = sync_error;
  return error != SQLITE_OK ? error : Forward<&sqlite3_io_methods::xSync>(file, flags);
}

constexpr sqlite3_io_methods kMethods = {
    .iVersion = 2,
    .xClose = Forward<&sqlite3_io_methods::xClose>,
    .xRead = Forward<&sqlite3_io_methods::xRead, void*, int, sqlite3_int64>,
    .xWrite = Write,
    .xTruncate = Forward<&sqlite3_io_methods::xTruncate, sqlite3_int64>,
    .xSync = Sync,
    .xFileSize = Forward<&sqlite3_io_methods::xFileSize, sqlite3_int64*>,
    .xLock = Forward<&sqlite3_io_methods::xLock, int>,
    .xUnlock = Forward<&sqlite3_io_methods::xUnlock, int>,
    .xCheckReservedLock = Forward<&sqlite3_io_methods::xCheckReservedLock, int*>,
    .xFileControl = Forward<&sqlite3_io_methods::xFileControl, int, void*>,
    .xSectorSize = Forward<&sqlite3_io_methods::xSectorSize>,
    .xDeviceCharacteristics = Forward<&sqlite3_io_methods::xDeviceCharacteristics>,
    .xShmMap = Forward<&sqlite3_io_methods::xShmMap, int, int, int, void volatile**>,
    .xShmLock = Forward<&sqlite3_io_methods::xShmLock, int, int, int>,
    .xShmBarrier = Forward<&sqlite3_io_methods::xShmBarrier>,
    .xShmUnmap = Forward<&sqlite3_io_methods::xShmUnmap, int>,
    .xFetch = nullptr,
    .xUnfetch = nullptr,
};

int Open(sqlite3_vfs*, const char* name, sqlite3_file* file, int flags, int* out_flags) {
  auto* const faulty = reinterpret_cast<File*>(file);
  faulty->real = reinterpret_cast<sqlite3_file*>(faulty + 1);
  const int code = real_vfs->xOpen(real_vfs, name, faulty->real, flags, out_flags);
  faulty->base.pMethods = faulty->real->pMethods == nullptr ? nullptr : &kMethods;
  return code;
}

}  // namespace

FaultyDisk::FaultyDisk() {
  Heal();
  sqlite3_initialize();
  real_vfs = sqlite3_vfs_find(nullptr);
  vfs_ = *real_vfs;
  vfs_.zName = "faulty";
  vfs_.szOsFile = real_vfs->szOsFile + static_cast<int>(sizeof(File));
  vfs_.xOpen = Open;
  sqlite3_vfs_register(&vfs_, /*makeDflt=*/1);
}

FaultyDisk::~FaultyDisk() {
  sqlite3_vfs_unregister(&vfs_);
  sqlite3_vfs_register(real_vfs, /*makeDflt=*/1);
}

void FaultyDisk::FailWrites(int code, int good_writes) {
  good_writes_left = good_writes;
  write_error = code;
}

void FaultyDisk::FailSyncs(int code) { sync_error = code; }

void FaultyDisk::Heal() { write_error = sync_error = SQLITE_OK; }

}  // namespace watchword

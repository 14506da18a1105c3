// From where on a way to compute is the faster one, and how much is done at a time: measured on a
// Zen 4 with AVX-512 and with AVX2. All of them are here, so that they can be measured again
// elsewhere.
#pragma once

#include <cstddef>

namespace davit::kernels {

// Elements that are done at a time where no dimension is reduced: what a few registers of them take
// stays in the L1 cache. With rows it is twice as many, if several rows fit.
constexpr size_t kBlock = 1024;
// Sides of a tile where an input is transposed.
constexpr size_t kSide = 32;
// Elements of a tile whose columns are reduced side by side: their registers stay in the L2 cache.
constexpr size_t kTile = 1 << 15;
// So many lie side by side at least: the elements of a cache line.
constexpr size_t kNarrowestTile = 16;
// And so many at most, where columns are reduced in parts, of which each has so many rows at least.
constexpr size_t kWidestTile = 8192;
constexpr size_t kShortestPart = 16;
// Elements of a row up to which it is done at once. Longer ones are reduced in parts of so many,
// whatever the number of threads is, so that the result does not depend on that.
constexpr size_t kLongestRow = 1 << 16;
// Bytes of all registers of a program with rows: they stay in the L2 cache, or a little beyond it.
constexpr size_t kScratch = 4 << 20;
// Less work than this, in nanoseconds, is not worth a second thread.
constexpr double kShared = 30'000;
// Parts that work is cut into at most: small enough that a thread which comes late holds nobody up.
constexpr size_t kMostParts = 64;
// More parts where one would take longer than this, in nanoseconds: a cancel acts between two.
constexpr double kLongestPart = 5e6;

// Elements from which on a copy, a sort, and bytes from which on random bits are not MLX's.
constexpr size_t kLeastMoved = 4096;
constexpr size_t kLeastSorted = 512;
constexpr size_t kLeastRandom = 4096;
// Keys up to which comparing is faster than counting.
constexpr size_t kFewKeys = 96;

// Channels from which on a convolution of each on its own is done side by side.
constexpr size_t kLeastChannels = 8;
// Numbers of a convolution's product that are in memory at once, at most.
constexpr double kMostProducts = 1 << 26;

// Rows up to which a product reads columns that lie one after the other as they are, those whose
// rows lie one after the other, and packed ones. Above, they are packed as panels first.
constexpr size_t kFewRows = 16;
constexpr size_t kFewRowsInPlace = 24;
constexpr size_t kFewRowsPacked = 16;
// Multiplications of a product of a batch up to which float32 is faster here than in the BLAS.
constexpr size_t kSmallProduct = 1 << 21;
// Rows and columns of a product that a thread computes at a time: what it unpacks of both factors
// for kDepth elements of the inner dimension, and the sums, stay in the L2 cache.
constexpr size_t kMostRows = 240;
constexpr size_t kMostColumns = 256;
// And at least, where there is less than enough for all threads.
constexpr size_t kLeastColumns = 64;
constexpr size_t kLeastRows = 24;
// Queries of an attention that a thread does at a time, and at least.
constexpr size_t kMostQueries = 64;
constexpr size_t kLeastQueries = 16;

}  // namespace davit::kernels

// Real data for the tests that want it: not in the repository, and such tests skip where it is absent.
#pragma once

#include <string>

namespace bsg::test {

// The file or folder `name` in the folder that the environment variable BSG_DATA names, or else in ../shared/data
// beside the repository (the working directory of the tests). Empty when there is none.
std::string find_real_data(const std::string& name);

// CIFAR-10 as JPEG files in train/CLASS and test/CLASS: BSG_DATA itself where it holds these, cifar10-jpeg/, or
// cifar10-jpeg.tar.xz, which is unpacked into a temporary folder, once a process. Empty, after skip(), when there is
// none.
std::string cifar10_jpeg();

// 100 ImageNet photographs of 100 classes as train/WNID and, the same, val/WNID: imagenet-sample-100.tar
// of the data folder, which is unpacked into a temporary folder, once a process. Empty, after skip(), when there
// is none.
std::string photographs();

// The same for CamVid: train/, trainannot/, val/, valannot/ in BSG_DATA itself, in camvid/ or in camvid.tar.
std::string camvid();

}  // namespace bsg::test

#include "media/store.h"

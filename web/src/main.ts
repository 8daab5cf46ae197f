document.title = "trajd";
